//! Every text that users read or hear is in the catalogues of `inbox/languages`, and every language has all of them.
//!
//! Outside the catalogues a text of two letters or more is a finding where it would be shown: as a child of an element
//! (`h`, `append`, `prepend`, `replaceChildren`, `setText`, `textContent`), as an attribute or property that is shown or
//! spoken (`NAMES`), or as what `document.title` is set to. In the catalogues each language has the keys of English, and
//! each object with the key `other` has exactly the plural forms of its language.

use super::{
    source_tree::{File, Finding, Tree},
    web_script::{ScriptToken, ScriptTokenKind, after_bracket, end_of_expression, tokens},
};
use regex_lite::Regex;
use std::collections::BTreeMap;

const SOURCES: &str = "web/src/inbox/";
const CATALOGUES: &str = "web/src/inbox/languages/";

/// Attributes and properties whose values users read or hear.
const NAMES: [&str; 12] = [
    "alt",
    "aria-description",
    "aria-label",
    "aria-roledescription",
    "aria-valuetext",
    "ariaLabel",
    "innerText",
    "label",
    "placeholder",
    "textContent",
    "title",
    "words",
];

/// Functions, and from which argument on they show texts.
const CALLS: [(&str, usize); 7] = [
    ("append", 0),
    ("createTextNode", 0),
    ("h", 2),
    ("prepend", 0),
    ("replaceChildren", 0),
    ("sentences", 0),
    ("setText", 1),
];

/// The plural forms of each language, as `Intl.PluralRules` names them.
const PLURALS: [(&str, &[&str]); 7] = [
    ("ar", &["few", "many", "one", "other", "two", "zero"]),
    ("de", &["one", "other"]),
    ("en", &["one", "other"]),
    ("es", &["many", "one", "other"]),
    ("fr", &["many", "one", "other"]),
    ("ja", &["other"]),
    ("zh", &["other"]),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let scripts = tree.files.iter().filter(|file| file.path.starts_with(SOURCES) && file.has_extension(&["js"]));
    let (catalogues, others): (Vec<&File>, Vec<&File>) = scripts.partition(|file| file.path.starts_with(CATALOGUES));
    let mut findings: Vec<Finding> = others.into_iter().flat_map(shown_texts).collect();
    findings.extend(compare(&catalogues));
    findings
}

/// The texts of a script that would be shown.
fn shown_texts(file: &File) -> Vec<Finding> {
    let tokens = tokens(&file.text);
    let mut shown: Vec<&ScriptToken> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = |mark: &str| tokens.get(at + 1).is_some_and(|next| next.is_mark(mark));
        let is_set = next("=") && !tokens.get(at + 2).is_some_and(|next| next.is_mark("="));
        if NAMES.contains(&token.text.as_str()) && token.kind != ScriptTokenKind::Mark && (next(":") || is_set) {
            shown.extend(texts_of(&tokens, at + 2, end_of_expression(&tokens, at + 2)));
        }
        if token.kind != ScriptTokenKind::Word || !next("(") {
            continue;
        }
        let arguments = arguments(&tokens, at + 1);
        if let Some((_, from)) = CALLS.iter().find(|(name, _)| *name == token.text) {
            for (from, to) in arguments.iter().skip(*from) {
                shown.extend(texts_of(&tokens, *from, *to));
            }
        } else if let ("setAttribute", [_, (name, _), (from, to), ..]) = (token.text.as_str(), arguments.as_slice())
            && NAMES.contains(&tokens[*name].text.as_str())
        {
            shown.extend(texts_of(&tokens, *from, *to));
        }
    }
    let texts = shown.into_iter().filter(|token| has_letters(&token.text));
    let finding =
        |token: &ScriptToken| file.finding(token.line, format!("“{}”: texts are in the catalogues", token.text));
    let mut findings: Vec<Finding> = texts.map(finding).collect();
    findings.dedup();
    findings
}

/// The arguments of a call whose bracket is at `open`, each from its first token to the one after its last.
fn arguments(tokens: &[ScriptToken], open: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = open + 1;
    while from < tokens.len() && !tokens[from].is_mark(")") {
        let to = end_of_expression(tokens, from).max(from);
        found.push((from, to));
        if !tokens.get(to).is_some_and(|token| token.is_mark(",")) {
            break;
        }
        from = to + 1;
    }
    found
}

/// The texts that an expression may give: not those that it compares, passes to a function or looks up.
fn texts_of(tokens: &[ScriptToken], from: usize, to: usize) -> Vec<&ScriptToken> {
    let mut found = Vec::new();
    let mut at = from;
    while at < to {
        let token = &tokens[at];
        let before = at.checked_sub(1).filter(|before| *before >= from).map(|before| &tokens[before]);
        let follows_value = before.is_some_and(|before| match before.kind {
            ScriptTokenKind::Word => before.text != "return",
            ScriptTokenKind::Text => true,
            ScriptTokenKind::Mark => matches!(before.text.as_str(), ")" | "]" | "."),
        });
        let opens = token.is_mark("(") || token.is_mark("[");
        // The code within a template is in brackets after it; a call is another matter.
        let is_template_code = token.is_mark("(")
            && before.is_some_and(|before| before.kind == ScriptTokenKind::Text || before.is_mark(")"));
        if token.is_mark("{") || (opens && follows_value && !is_template_code) {
            at = after_bracket(tokens, at);
            continue;
        }
        let compares =
            |token: Option<&ScriptToken>| token.is_some_and(|token| token.is_mark("=") || token.is_mark("!"));
        if token.kind == ScriptTokenKind::Text && !compares(before) && !compares(tokens.get(at + 1)) {
            found.push(token);
        }
        at += 1;
    }
    found
}

fn has_letters(text: &str) -> bool {
    let letters: Vec<bool> = text.chars().map(char::is_alphabetic).collect();
    letters.windows(2).any(|pair| pair[0] && pair[1])
}

/// Compares the catalogues with the English ones, and their plural forms with those of their languages.
fn compare(files: &[&File]) -> Vec<Finding> {
    let language = Regex::new(r"@param \{Tools<'([a-z]+)'>\}").expect("a regular expression");
    let english = |name: &str| {
        let file = files.iter().find(|file| file.path == format!("{CATALOGUES}{name}"))?;
        Some(texts_in(&tokens(&file.text)))
    };
    let (first_load, dialogs) = (english("english.js"), english("english-dialogs.js"));
    let mut findings = Vec::new();
    for file in files {
        let Some(code) = language.captures(&file.text).map(|found| found[1].to_owned()) else { continue };
        let tokens = tokens(&file.text);
        findings.extend(wrong_plurals(file, &tokens, &code));
        let english = if file.path.ends_with("-dialogs.js") { &dialogs } else { &first_load };
        let Some(english) = english else { continue };
        let own = texts_in(&tokens);
        let missing = english.keys().filter(|key| !own.contains_key(*key));
        findings.extend(missing.map(|key| file.finding(1, format!("`{key}` is missing"))));
        let needless = own.iter().filter(|(key, _)| !english.contains_key(*key));
        findings.extend(needless.map(|(key, line)| file.finding(*line, format!("`{key}` is not in English"))));
    }
    findings
}

/// The keys of a catalogue: of its object `texts`, or else of the object that it returns.
fn texts_in(tokens: &[ScriptToken]) -> BTreeMap<String, usize> {
    let is_named = |three: &[ScriptToken]| three[0].is_word("texts") && three[1].is_mark("=") && three[2].is_mark("{");
    let named = tokens.windows(3).position(is_named).map(|at| at + 2);
    let is_returned = |pair: &[ScriptToken]| pair[0].is_word("return") && pair[1].is_mark("{");
    let open = named.or_else(|| tokens.windows(2).position(is_returned).map(|at| at + 1));
    open.map(|open| keys(tokens, open)).unwrap_or_default()
}

fn wrong_plurals(file: &File, tokens: &[ScriptToken], code: &str) -> Vec<Finding> {
    let Some((_, forms)) = PLURALS.iter().find(|(language, _)| *language == code) else {
        return vec![file.finding(1, format!("tidy does not know the plural forms of `{code}`"))];
    };
    let objects = tokens.iter().enumerate().filter(|(_, token)| token.is_mark("{")).map(|(at, token)| (at, token.line));
    let plurals = objects.map(|(at, line)| (keys(tokens, at), line)).filter(|(keys, _)| keys.contains_key("other"));
    let wrong = plurals.filter(|(keys, _)| !keys.keys().map(String::as_str).eq(forms.iter().copied()));
    wrong
        .map(|(_, line)| file.finding(line, format!("the plural forms of `{code}` are {}", forms.join(", "))))
        .collect()
}

/// The keys of the object at `open` with their lines; those of an object within it as `outer.inner`.
fn keys(tokens: &[ScriptToken], open: usize) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut at = open + 1;
    while let Some(token) = tokens.get(at).filter(|token| !token.is_mark("}")) {
        if token.kind != ScriptTokenKind::Mark {
            let is_object = tokens.get(at + 1).is_some_and(|next| next.is_mark(":"))
                && tokens.get(at + 2).is_some_and(|next| next.is_mark("{"));
            if is_object {
                let inner = keys(tokens, at + 2);
                found.extend(inner.into_iter().map(|(name, line)| (format!("{}.{name}", token.text), line)));
            } else {
                found.insert(token.text.clone(), token.line);
            }
        }
        at = end_of_expression(tokens, at);
        if tokens.get(at).is_some_and(|token| token.is_mark(",")) {
            at += 1;
        } else if !tokens.get(at).is_some_and(|token| token.is_mark("}")) {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::source_tree::lines_found, *};

    fn lines(script: &str) -> Vec<usize> {
        lines_found(check, "web/src/inbox/a.js", script)
    }

    #[test]
    fn shown_texts_are_found() {
        let script = "h('p', {}, 'Hello');\nh('p', { title: `Hello ${name}` });\na.textContent = b ? 'Yes' : say.no;\n\
                      setAttribute(a, 'aria-label', 'Close');\nsetText(a, b === 'c' ? say.d : ('Else'));\n\
                      document.title = `${say.a}: ${b ? 'Inbox' : c}`;\na.append('Text');\ntoast({ words: 'Done' });\n";
        assert_eq!(lines(script), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn other_texts_are_not() {
        let script = "h('p', { class: 'big red', role: 'status' }, say.a, icon('close'));\nh('b', {}, '·', `${a}: `);\n\
                      setText(a, b === 'group' ? say.c : say['key']);\nsetAttribute(a, 'role', 'menu');\n\
                      if (a.title === 'Hello') return;\n// h('p', {}, 'Hello')\nlet title = names.get('all');\n";
        assert_eq!(lines(script), [0; 0]);
        assert_eq!(lines_found(check, "web/src/sdk/a.js", "a.title = 'Hello';"), [0; 0]);
    }

    const ENGLISH: &str = "/** @param {Tools<'en'>} tools */\nexport function english({ plural }) {\n  return {\n    \
                           a: 'A',\n    b: { c: 'C' },\n    d: (n) => plural(n, { one: '# d', other: '# ds' }),\n  };\n}\n";

    fn found(language: &str, its_dialogs: &str) -> Vec<String> {
        let dialogs =
            "/** @param {Tools<'en'>} tools */\nexport function englishDialogs() {\n  return { e: 'E' };\n}\n";
        let files = [
            ("web/src/inbox/languages/english.js", ENGLISH),
            ("web/src/inbox/languages/english-dialogs.js", dialogs),
            ("web/src/inbox/languages/other.js", language),
            ("web/src/inbox/languages/other-dialogs.js", its_dialogs),
        ];
        check(&Tree::of(&files)).into_iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
    }

    #[test]
    fn a_language_has_the_keys_of_english() {
        let texts = "/** @param {Tools<'de'>} tools */\nexport function german({ plural }) {\n  const d = 1;\n  \
                     const texts = {\n    b: { c: 'C' }, d,\n    a: 'A',\n  };\n  return { texts };\n}\n";
        let dialogs = "/** @param {Tools<'de'>} tools */\nexport function germanDialogs() {\n  return { e: 'E' };\n}\n";
        assert_eq!(found(texts, dialogs), [""; 0]);
        assert_eq!(
            found(&texts.replace("c: 'C'", "x: 'C'"), &dialogs.replace("e: 'E'", "")),
            ["1: `b.c` is missing", "5: `b.x` is not in English", "1: `e` is missing"]
        );
    }

    #[test]
    fn a_plural_has_the_forms_of_its_language() {
        let texts = "const texts = { a: 'A', b: { c: 'C' },\nd: (n) => plural(n, { one: '#', other: '#' }) };\n";
        for (code, wanted) in [
            ("de", &[][..]),
            ("ar", &["3: the plural forms of `ar` are few, many, one, other, two, zero"]),
            ("ja", &["3: the plural forms of `ja` are other"]),
            ("xx", &["1: tidy does not know the plural forms of `xx`"]),
        ] {
            assert_eq!(found(&format!("/** @param {{Tools<'{code}'>}} tools */\n{texts}"), ""), wanted);
        }
    }
}
