//! Which query finds what, and that the index leads there.

use super::*;
use proptest::prelude::*;

fn finds(query: &str, text: &str) -> bool {
    let found = Words::new(query).find(&[text]).is_some();
    if found {
        assert!(is_kept_for(query, text), "the index leads from {query:?} to {text:?}");
    }
    found
}

/// Whether the index returns the text for the query.
fn is_kept_for(query: &str, text: &str) -> bool {
    let mut terms = BTreeSet::new();
    terms_of(text, &mut terms);
    Words::new(query).lookups().iter().all(|lookup| match lookup {
        Lookup::Exact(term) => terms.contains(term),
        Lookup::Between(low, high) => terms.range(low.clone()..high.clone()).next().is_some(),
    })
}

#[test]
fn words_are_found_by_their_prefixes_in_any_order() {
    let text = "Did you lose a BLACK umbrella on tram 18?";
    for query in ["umbrella", "umb black", "tram 18", "u", "um", "BLÄCK", "", "?", "tram 1 18"] {
        assert!(finds(query, text), "{query}");
    }
    for query in ["brella", "umbrellas", "black dog", "8", "傘"] {
        assert!(!finds(query, text), "{query}");
    }
}

#[test]
fn words_are_found_with_and_without_what_joins_their_parts() {
    for (text, queries) in [
        ("We run v3.14.2 now", &["3.14.2", "v3.14.2", "v3.14", "14.2", "3142", "v3"][..]),
        ("I don't know", &["dont", "don't", "don’t", "DON'T", "don"]),
        ("I dont know", &["don't", "dont"]),
        ("I don’t know", &["don't", "dont"]),
        ("it costs 1,299 in all", &["1299", "1,299", "1.299", "1 299", "1'299"]),
        ("it costs 1299 in all", &["1,299", "1299", "1.299", "1 299"]),
        ("kostet 1 299,00 €", &["1299", "1,299", "1 299", "129900"]),
        ("kostet 1\u{202f}299 €", &["1299"]),
        ("send an e-mail", &["email", "e-mail", "mail"]),
        ("send an email", &["e-mail"]),
        ("a follow-up", &["followup", "follow-up", "follow up", "up"]),
        ("a follow up", &["follow-up"]),
        ("a followup", &["follow-up"]),
        ("see INV-2026/0042 please", &["INV-2026/0042", "inv2026", "2026/0042", "0042", "inv 0042", "INV-2026-0042"]),
        ("see INV 2026/0042 please", &["INV-2026/0042", "INV-2026"]),
        ("see INV20260042", &["INV-2026/0042"]),
        ("call +49 30 1234567", &["301234567", "+49301234567", "30 1234567", "+49 30 123"]),
        ("call 030/123 45 67", &["0301234567", "030 1234567", "030-1234567", "(030) 1234567", "1234567"]),
        ("call 0301234567", &["030 1234567", "030/123 45 67", "030-123-4567"]),
        (
            "DE89 3704 0044 0532 0130 00",
            &["DE89370400440532013000", "DE89 3704", "3704 0044", "370400440532", "de89 3704 0044 0532 0130 00"],
        ),
        ("DE89370400440532013000", &["DE89 3704 0044 0532 0130 00", "DE89 3704 0044", "DE89"]),
        ("GB29 NWBK 6016 1331 9268 19", &["GB29NWBK60161331926819", "NWBK 6016", "6016"]),
        ("GB29NWBK60161331926819", &["GB29 NWBK 6016 1331 9268 19", "nwbk"]),
        ("می\u{200c}خواهم", &["میخواهم", "می\u{200c}خواهم", "می خواهم", "خواهم"]),
        ("میخواهم", &["می\u{200c}خواهم"]),
        ("كتابي يكون", &["کتابی", "یکون"]),
        ("سال ۱۴۰۳", &["1403", "١٤٠٣"]),
        ("from the U.S.A.", &["usa", "U.S.A.", "u.s."]),
        ("in the USA", &["U.S.A."]),
        ("mail ada.l@mail.example", &["ada.l@mail.example", "mail.example", "@mail", "ada", "ada.l"]),
        ("https://found.example/items/5?a=b_c", &["found.example", "items/5", "https://found.example/items/5", "b_c"]),
        ("IMG_2041.jpg", &["IMG_2041", "2041", ".jpg", "jpg", "img 2041", "IMG-2041"]),
        ("iPhone15 Pro", &["iphone 15", "15", "iphone15"]),
        ("O'Brien and Jean-Pierre", &["obrien", "o'brien", "brien", "jean pierre", "jeanpierre"]),
    ] {
        for query in queries {
            assert!(finds(query, text), "{query:?} in {text:?}");
        }
    }
}

#[test]
fn signs_that_are_not_usually_left_out_must_match() {
    for (text, found, missed) in [
        ("in C++ or C#", &["C++", "c#", "C", "c+"][..], &["d++", "f#"][..]),
        ("C++17 and F#", &["C++", "c++17", "17", "f#"], &["c#", "c17"]),
        ("the car can", &["c", "ca"], &["C++", "c#", "c+"]),
        ("use .NET or ASP.NET", &[".NET", "net", "asp.net", "aspnet"], &["#net"]),
        ("a net and a network", &["net"], &[".net", "@net"]),
        ("ask @ada about #umbrella", &["@ada", "ada", "#umbrella", "#umb", "@a"], &["#ada", "@umbrella", "@da"]),
        ("ask ada about an umbrella", &["ada"], &["@ada", "#umbrella"]),
        ("it is $5 or €20", &["$5", "5", "€20", "€2", "20"], &["$2", "€5", "£5", "$20"]),
        ("5 people, 20 bags", &["5"], &["$5", "€20", "5€", "20%"]),
        ("it is 5€, or 20 %", &["5€", "5 €", "20%", "20 %", "5"], &["€5", "20€"]),
        ("item#5 here", &["item", "#5", "5", "item#5"], &["item5"]),
        ("AT&T and R&D", &["at&t", "R&D", "att", "d"], &["a&t"]),
        ("attach the attic", &["att"], &["AT&T"]),
        ("red 3, then 14 and 2", &["3", "14 2"], &["3.14.2", "3.14"]),
        ("2,4,6", &["2", "6"], &["26"]),
        ("a, b", &["a b"], &["ab"]),
        ("one two", &["one two"], &["onetwo", "one/two", "one@two"]),
        ("12 34", &["12 34", "34 12", "12-34"], &["1234"]),
    ] {
        for query in found {
            assert!(finds(query, text), "{query:?} in {text:?}");
        }
        for query in missed {
            assert!(!finds(query, text), "{query:?} not in {text:?}");
        }
    }
}

#[test]
fn the_parts_of_numbers_with_spaces_are_found_too() {
    assert!(finds("030 1234567", "room 030, number 1234567"));
    assert!(finds("2026 000042", "000042 in 2026"));
    assert!(!finds("030 1234567", "room 030"));
}

#[test]
fn two_characters_in_a_row_are_found_where_there_are_no_spaces() {
    for (text, query) in [
        ("電車で黒い傘をなくしました", "傘を"),
        ("電車で黒い傘をなくしました", "黒い傘"),
        ("電車で黒い傘をなくしました", "傘"),
        ("我在电车上丢了一把黑色雨伞", "雨伞"),
        ("我在电车上丢了一把黑色雨伞", "伞"),
        ("ฉันทำร่มหายบนรถราง", "ร่ม"),
        ("전차에서 우산을 잃어버렸어요", "우산"),
        ("ខ្ញុំបានបាត់ឆ័ត្រ", "ឆ័ត្រ"),
        ("iPhoneを買う", "iph 買う"),
    ] {
        assert!(finds(query, text), "{query} in {text}");
    }
    // Both pairs occur, but not in a row.
    assert!(is_kept_for("東京都", "東京と京都"));
    assert!(!finds("東京都", "東京と京都"));
    assert!(!finds("傘を", "傘、を"));
}

#[test]
fn emoji_and_long_words_are_found() {
    assert!(finds("☂", "under the seat ☂️"));
    assert!(finds("👍", "fine 👍🏽"));
    assert!(!finds("👎", "fine 👍🏽"));
    let long = "x".repeat(500);
    assert!(finds(&long, &format!("a {long}yz")));
    assert!(!finds(&format!("{long}z"), &format!("a {long}yz")));
}

#[test]
fn hits_are_where_the_words_were_written() {
    let text = "Straße, ÉTÉ und 黒い傘";
    let marked = |query: &str, text: &str| -> Vec<String> {
        let hits = Words::new(query).find(&[text]).expect("all there").remove(0);
        hits.into_iter().map(|hit| text[hit].to_owned()).collect()
    };
    assert_eq!(marked("stras ete い傘", text), ["Straß", "ÉTÉ", "い傘"]);
    assert_eq!(marked("dont 1299", "I don't pay 1,299.50"), ["don't", "1,299"]);
    assert_eq!(marked("3.14.2 c++", "v3.14.2 of C++"), ["3.14.2", "C++"]);
    assert_eq!(marked("#tag $5", "a #tagged $5 thing"), ["#tag", "$5"]);
    assert_eq!(marked("0301234567", "call 030/123 45 67 now"), ["030/123 45 67"]);
    assert_eq!(marked("خواهم", "می\u{200c}خواهم"), ["خواهم"]);
}

#[test]
fn words_of_a_query_may_be_in_different_texts() {
    let words = Words::new("black umbrella jpg");
    assert!(words.find(&["a black one", "Umbrella", "it.jpg"]).is_some());
    assert!(words.find(&["a black one", "Umbrella"]).is_none());
}

proptest! {
    #[test]
    fn the_index_never_misses_what_the_text_contains(
        text in "[a-eé ßあい傘伞ร่ม한국☂👍._-]{0,24}",
        query in "[a-eé ßあい傘伞ร่ม한국☂👍._-]{0,5}",
    ) {
        finds(&query, &text);
    }

    #[test]
    fn the_index_never_misses_joined_words(
        text in "[a-c1-3 .,'’/@#+$€%&()_\u{200c}-]{0,24}",
        query in "[a-c1-3 .,'/@#+$€%&_\u{200c}-]{0,8}",
    ) {
        finds(&query, &text);
    }

    #[test]
    fn any_text_can_be_folded(text in any::<String>(), query in any::<String>()) {
        let words = Words::new(&query);
        let lookups = words.lookups();
        prop_assert_eq!(lookups.is_empty(), words.is_empty());
        for hit in words.find(&[&text]).into_iter().flatten().flatten() {
            prop_assert!(text.get(hit).is_some_and(|hit| !hit.is_empty()));
        }
        prop_assert!(Words::new(&text).find(&[&text]).is_some());
    }
}
