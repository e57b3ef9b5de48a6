//! Intersection, union and difference of sets.
//!
//! How a result is encoded depends on the way it is made, so the reference's ways are taken. Source: Valkey `t_set.c`.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::{Added, Set, SetRules};
use crate::types::listpack::{Element, Listpack};

/// A set that can hold no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A set to which the members of others are added.
#[derive(Debug)]
pub struct Gathered<'r> {
    set: Set,
    rules: &'r SetRules,
}

impl<'r> Gathered<'r> {
    /// To be stored: it becomes what its members ask for.
    pub fn to_store(rules: &'r SetRules) -> Self {
        Self { set: Set::new(), rules }
    }

    /// To be sent only: anything but integers goes into a table at once.
    pub fn to_send(sets: &[&Set], rules: &'r SetRules) -> Self {
        let all_intsets = sets.iter().all(|set| matches!(set, Set::Intset(_)));
        Self { set: if all_intsets { Set::new() } else { Set::table(rules) }, rules }
    }

    fn add_all<'s>(&mut self, members: impl Iterator<Item = Element<'s>>) -> Result<(), Full> {
        for member in members {
            if self.set.add(member, self.rules) == Added::Full {
                return Err(Full);
            }
        }
        Ok(())
    }

    /// The members of all sets.
    ///
    /// # Errors
    /// There are more than a set can hold.
    pub fn union(mut self, sets: &[&Set]) -> Result<Set, Full> {
        for set in sets {
            self.add_all(set.iter())?;
        }
        Ok(self.set)
    }

    /// The members of the first set that are in no other.
    ///
    /// # Errors
    /// There are more than a set can hold.
    pub fn difference(mut self, first: &Set, others: &[&Set]) -> Result<Set, Full> {
        if probes(first.len(), lens(others)) {
            self.add_all(difference(first, others))?;
            return Ok(self.set);
        }
        self.add_all(first.iter())?;
        for other in others {
            for member in other.iter() {
                self.set.remove(member);
            }
            if self.set.is_empty() {
                break;
            }
        }
        Ok(self.set)
    }
}

/// The members that are in all sets; none if there is no set.
pub fn intersection<'s>(sets: &[&'s Set]) -> impl Iterator<Item = Element<'s>> + use<'s> {
    let mut sets: Vec<&'s Set> = sets.to_vec();
    sets.sort_by_key(|set| set.len());
    let smallest = sets.first().copied();
    sets.retain(|set| smallest.is_some_and(|smallest| !core::ptr::eq(*set, smallest)));
    let members = smallest.into_iter().flat_map(Set::iter);
    members.filter(move |&member| sets.iter().all(|set| set.contains(member)))
}

/// The members that are in all sets, to be stored.
///
/// # Errors
/// There are more than a set can hold.
pub fn stored_intersection(sets: &[&Set], rules: &SetRules) -> Result<Set, Full> {
    let set = match sets.iter().min_by_key(|set| set.len()) {
        Some(Set::Intset(_)) => Set::new(),
        _ => Set::Listpack(Listpack::new()),
    };
    let mut gathered = Gathered { set, rules };
    gathered.add_all(intersection(sets))?;
    //= valkey 9.1 SINTERSTORE: a result of integers alone is an intset if it is small enough
    gathered.set.narrow(rules);
    Ok(gathered.set)
}

/// Whether it is less work to look each of `len` members up in other sets of these lengths than to take theirs out of a
/// copy. Very many small sets against a large one would take a very long time the first way.
pub fn probes(len: usize, others: impl ExactSizeIterator<Item = usize>) -> bool {
    let lookups = len.saturating_mul(others.len() + 1) / 2;
    lookups <= others.fold(len, usize::saturating_add)
}

fn lens<'s>(sets: &'s [&Set]) -> impl ExactSizeIterator<Item = usize> + use<'s> {
    sets.iter().map(|set| set.len())
}

/// The members of the first set that are in no other, in its order.
pub fn difference<'s>(first: &'s Set, others: &[&'s Set]) -> impl Iterator<Item = Element<'s>> + use<'s> {
    let mut others: Vec<&'s Set> = others.to_vec();
    others.sort_by_key(|other| Reverse(other.len()));
    first.iter().filter(move |&member| !others.iter().any(|other| other.contains(member)))
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use super::{Full, Gathered, difference, intersection, probes, stored_intersection};
    use crate::rng::Rng;
    use crate::types::listpack::Element;
    use crate::types::set::model::small_rules;
    use crate::types::set::{Added, Set};

    fn texts<'s>(members: impl Iterator<Item = Element<'s>>) -> BTreeSet<Vec<u8>> {
        members.map(|member| member.text(&mut itoa::Buffer::new()).to_vec()).collect()
    }

    /// A set of any encoding with members that others are likely to have too.
    fn random_set(rng: &mut Rng) -> Set {
        let (count, range, is_mixed) = (rng.below(40), 1 + rng.below(40), rng.below(2) == 0);
        let mut set = if rng.below(4) == 0 { Set::table(&small_rules()) } else { Set::new() };
        for _ in 0..count {
            let number = rng.below(range).cast_signed();
            let text = alloc::format!("m{number}");
            let is_text = is_mixed && rng.below(3) == 0;
            let member = if is_text { Element::Bytes(text.as_bytes()) } else { Element::Int(number) };
            set.add(member, &small_rules());
        }
        set
    }

    #[test]
    fn agrees_with_ordered_sets() {
        let (mut rng, rules) = (Rng::new(31), small_rules());
        let (mut probed, mut taken_out) = (0, 0);
        for _ in 0..if cfg!(miri) { 20 } else { 2000 } {
            let sets: Vec<Set> = (0..=rng.below(4)).map(|_| random_set(&mut rng)).collect();
            let sets: Vec<&Set> = sets.iter().collect();
            let models: Vec<BTreeSet<Vec<u8>>> = sets.iter().map(|set| texts(set.iter())).collect();
            let (first, others) = (sets[0], &sets[1..]);

            let everywhere: BTreeSet<Vec<u8>> = models[0]
                .iter()
                .filter(|member| models.iter().all(|model| model.contains(*member)))
                .cloned()
                .collect();
            assert_eq!(texts(intersection(&sets)), everywhere);
            let stored = stored_intersection(&sets, &rules).unwrap();
            assert_eq!(texts(stored.iter()), everywhere);

            let anywhere: BTreeSet<Vec<u8>> = models.iter().flatten().cloned().collect();
            for gathered in [Gathered::to_store(&rules), Gathered::to_send(&sets, &rules)] {
                assert_eq!(texts(gathered.union(&sets).unwrap().iter()), anywhere);
            }

            let rest: BTreeSet<Vec<u8>> = models[0]
                .iter()
                .filter(|member| !models[1..].iter().any(|model| model.contains(*member)))
                .cloned()
                .collect();
            assert_eq!(texts(difference(first, others)), rest);
            let result = Gathered::to_store(&rules).difference(first, others).unwrap();
            assert_eq!(texts(result.iter()), rest);
            if probes(first.len(), super::lens(others)) { probed += 1 } else { taken_out += 1 }
        }
        assert!(cfg!(miri) || probed > 20 && taken_out > 20, "{probed} {taken_out}");
    }

    #[test]
    fn a_set_that_is_full_says_so() {
        if cfg!(miri) {
            return;
        }
        let rules = small_rules();
        let mut set = Set::table(&rules);
        let mut count = 0u32;
        while set.add(Element::Bytes(alloc::format!("m{count:06}").as_bytes()), &rules) == Added::New {
            count += 1;
        }
        assert_eq!(set.len(), count as usize);
        assert_eq!(set.add(Element::Bytes(b"m000001"), &rules), Added::Present);
        assert_eq!(set.add(Element::Bytes(b"another"), &rules), Added::Full);
        let mut one = Set::new();
        one.add(Element::Bytes(b"another"), &rules);
        assert_eq!(Gathered::to_store(&rules).union(&[&set, &one]).err(), Some(Full));
        assert!(set.remove(Element::Bytes(b"m000001")));
        assert_eq!(set.add(Element::Bytes(b"another"), &rules), Added::New);
    }
}
