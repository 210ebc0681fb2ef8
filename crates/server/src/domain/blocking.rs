//! The copy of the blocks between the members of a direct conversation, in its row.

/// Which of the two members of a direct conversation have blocked the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocking {
    pub(super) by_lower: bool,
    pub(super) by_higher: bool,
}

impl Blocking {
    /// Reads it from its number in the store: 1 if the member with the lower id has blocked the other, plus 2 if the
    /// other one has.
    #[must_use]
    pub const fn numbered(number: i64) -> Self {
        Self { by_lower: number & 1 != 0, by_higher: number & 2 != 0 }
    }

    /// Returns its number in the store.
    #[must_use]
    pub fn number(self) -> i64 {
        i64::from(self.by_lower) + 2 * i64::from(self.by_higher)
    }

    /// Returns whether there is a block.
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.by_lower || self.by_higher
    }
}

#[cfg(test)]
mod tests {
    use super::Blocking;

    #[test]
    fn blocks_are_numbered() {
        for number in 0..4 {
            assert_eq!(Blocking::numbered(number).number(), number);
            assert_eq!(Blocking::numbered(number).is_any(), number > 0);
        }
    }
}
