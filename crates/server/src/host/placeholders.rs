//! Placeholders: `$1` for all databases; MySQL has `?` only, in the order of the statement.

use super::{error::HostError, value::HostValue};

/// Replaces each `$1` outside of quotes by `?`, and returns the parameters in the order of the question marks.
pub(super) fn to_question_marks(sql: &str, params: &[HostValue]) -> Result<(String, Vec<HostValue>), HostError> {
    let mut text = String::with_capacity(sql.len());
    let mut ordered = Vec::with_capacity(params.len());
    let mut rest = sql;
    while let Some(start) = rest.find(['\'', '"', '`', '$', '?']) {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = match rest.as_bytes()[0] {
            b'$' => {
                let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                let value =
                    rest[1..=digits].parse::<usize>().ok().and_then(|number| params.get(number.checked_sub(1)?));
                let value = value.ok_or_else(|| HostError::Unexpected("a statement lacks a parameter".to_owned()))?;
                ordered.push(value.clone());
                text.push('?');
                1 + digits
            }
            b'?' => return Err(HostError::Unexpected("parameters are written as $1".to_owned())),
            quote => {
                let end = rest[1..].find(char::from(quote)).map_or(rest.len(), |end| end + 2);
                text.push_str(&rest[..end]);
                end
            }
        };
        rest = &rest[length..];
    }
    text.push_str(rest);
    Ok((text, ordered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_question_marks_in_the_order_of_the_statement() {
        let params = [HostValue::Integer(1), HostValue::Integer(2)];
        let (sql, ordered) = to_question_marks("a = $2 AND b = '$1' AND `c$1` = $1 OR d = $2", &params).expect("right");
        assert_eq!(sql, "a = ? AND b = '$1' AND `c$1` = ? OR d = ?");
        assert_eq!(ordered, [2, 1, 2].map(HostValue::Integer));
        assert!(to_question_marks("$3", &params).is_err());
        assert!(to_question_marks("a = ?", &params).is_err());
        assert_eq!(to_question_marks("'it''s $1' $1", &params).expect("right").0, "'it''s $1' ?");
    }
}
