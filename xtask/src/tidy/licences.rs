//! The allowed licences of dependencies.

use spdx::{Expression, ParseMode};

/// Everyone may redistribute these inside a program; at most they require their text, or changes to their own files.
const ALLOWED: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "BlueOak-1.0.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Why a package with this licence is not allowed.
pub(super) fn refused(licence: Option<&str>) -> Option<String> {
    let Some(licence) = licence else { return Some("it names no licence".to_owned()) };
    let expression = match Expression::parse_mode(licence, ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("its licence {licence:?} cannot be read: {}", error.reason)),
    };
    // An exception (`WITH …`) only permits more.
    let allowed = expression.evaluate(|wanted| wanted.license.id().is_some_and(|id| ALLOWED.contains(&id.name)));
    (!allowed).then(|| format!("its licence {licence} is not allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copyleft_licences_are_refused() {
        for licence in
            ["GPL-3.0-only", "MIT AND GPL-3.0-only", "AGPL-3.0-or-later", "LicenseRef-Ours", "SEE LICENSE IN x", ""]
        {
            assert!(refused(Some(licence)).is_some(), "{licence}");
        }
        assert!(refused(None).is_some());
    }

    #[test]
    fn licences_with_a_permissive_choice_are_allowed() {
        for licence in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR GPL-3.0-only",
            "Apache-2.0 WITH LLVM-exception OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
        ] {
            assert_eq!(refused(Some(licence)), None, "{licence}");
        }
    }
}
