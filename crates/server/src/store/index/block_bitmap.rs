//! Which messages of one block contain a term.
//!
//! A block is a range of ids; a slot is a position in it. A few slots are stored as a list of two bytes each, many as a
//! bitmap: whichever is shorter. The length tells them apart.

use parlor_protocol::ids::MessageId;

/// The number of ids in a block.
pub const BLOCK: i64 = 8192;
const WORDS: usize = 128;
const BITMAP_BYTES: usize = WORDS * 8;

/// A set of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots(Box<[u64; WORDS]>);

impl Default for Slots {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
    }
}

/// Returns the block of a message.
#[must_use]
pub fn block_of(message: MessageId) -> i64 {
    message.0 / BLOCK
}

/// Returns the slot of a message in its block.
#[must_use]
pub fn slot_of(message: MessageId) -> u16 {
    u16::try_from(message.0 % BLOCK).expect("a block is small")
}

/// Returns the message in a slot.
#[must_use]
pub fn message_at(block: i64, slot: u16) -> MessageId {
    MessageId(block * BLOCK + i64::from(slot))
}

impl Slots {
    /// Adds stored slots; returns whether the bytes have a known format.
    pub fn add_kept(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() == BITMAP_BYTES {
            let (words, _) = bytes.as_chunks::<8>();
            for (word, bytes) in self.0.iter_mut().zip(words) {
                *word |= u64::from_be_bytes(*bytes);
            }
            return true;
        }
        let (slots, rest) = bytes.as_chunks::<2>();
        let slots = slots.iter().map(|bytes| u16::from_be_bytes(*bytes));
        rest.is_empty() && slots.into_iter().all(|slot| self.insert(slot))
    }

    /// Adds a slot; returns whether a block has that slot.
    pub fn insert(&mut self, slot: u16) -> bool {
        match self.0.get_mut(usize::from(slot / 64)) {
            Some(word) => {
                *word |= 1 << (slot % 64);
                true
            }
            None => false,
        }
    }

    /// Keeps only slots that `other` also has.
    pub fn intersect(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(other.0.iter()) {
            *word &= other;
        }
    }

    /// Adds all slots of `other`.
    pub fn add(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(other.0.iter()) {
            *word |= other;
        }
    }

    /// How many bytes they use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Returns the slots in descending order.
    pub fn descending(&self) -> impl Iterator<Item = u16> {
        self.0.iter().enumerate().rev().flat_map(|(index, &word)| {
            let bits = (0..64).rev().filter(move |bit| word & (1 << bit) != 0);
            bits.map(move |bit| u16::try_from(index * 64 + bit).expect("a block is small"))
        })
    }
}

/// Slots in their stored form, without unpacking: most terms have one or two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredSlots(pub Vec<u8>);

impl StoredSlots {
    /// Adds a slot; returns whether it is new.
    pub fn insert(&mut self, slot: u16) -> bool {
        if self.0.len() == BITMAP_BYTES {
            let (byte, bit) = place(slot);
            let was = self.0[byte] & bit != 0;
            self.0[byte] |= bit;
            return !was;
        }
        let (slots, _) = self.0.as_chunks::<2>();
        // New slots are usually the highest, which come last.
        if slots.iter().rev().any(|bytes| u16::from_be_bytes(*bytes) == slot) {
            return false;
        }
        self.0.extend_from_slice(&slot.to_be_bytes());
        if self.0.len() == BITMAP_BYTES {
            let mut bitmap = vec![0; BITMAP_BYTES];
            for bytes in self.0.as_chunks::<2>().0 {
                let (byte, bit) = place(u16::from_be_bytes(*bytes));
                bitmap[byte] |= bit;
            }
            self.0 = bitmap;
        }
        true
    }

    /// Removes slots; returns whether any of them was present.
    pub fn remove(&mut self, gone: &Slots) -> bool {
        let mut slots = Slots::default();
        if !slots.add_kept(&self.0) {
            return false;
        }
        let mut common = slots.clone();
        common.intersect(gone);
        if common.is_empty() {
            return false;
        }
        let mut left = Self::default();
        for slot in slots.descending().filter(|&slot| gone.0[usize::from(slot / 64)] & (1 << (slot % 64)) == 0) {
            left.insert(slot);
        }
        *self = left;
        true
    }
}

fn place(slot: u16) -> (usize, u8) {
    // The words are big-endian, so the lowest bits come last.
    let (word, bit) = (usize::from(slot / 64), slot % 64);
    (word * 8 + 7 - usize::from(bit / 8), 1 << (bit % 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn stored_slots_equal_the_inserted_ones_at_any_density() {
        for step in [1, 7, 16, 17, 4000] {
            let mut kept = StoredSlots::default();
            let expected: BTreeSet<u16> = (0..8192).step_by(step).collect();
            for slot in &expected {
                assert!(kept.insert(*slot));
                assert!(!kept.insert(*slot));
            }
            let mut slots = Slots::default();
            assert!(slots.add_kept(&kept.0));
            assert_eq!(slots.descending().collect::<Vec<_>>(), expected.iter().rev().copied().collect::<Vec<_>>());
            assert!(kept.0.len() <= BITMAP_BYTES);
            let mut gone = Slots::default();
            gone.insert(0);
            gone.insert(5000);
            assert!(kept.remove(&gone));
            assert!(!kept.remove(&gone));
            let mut left = Slots::default();
            assert!(left.add_kept(&kept.0));
            assert_eq!(left.len(), expected.len() - 1 - usize::from(expected.contains(&5000)));
        }
    }

    #[test]
    fn bytes_of_an_unknown_format_are_refused() {
        assert!(!Slots::default().add_kept(&[1]));
        assert!(!Slots::default().add_kept(&[0xff, 0xff]));
    }

    #[test]
    fn a_message_has_one_slot_in_one_block() {
        for id in [1, 8191, 8192, 1_000_003] {
            let message = MessageId(id);
            assert_eq!(message_at(block_of(message), slot_of(message)), message);
        }
    }
}
