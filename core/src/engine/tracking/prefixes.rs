//! BCAST mode: which clients want to know of keys with which prefix, and the keys of this turn of the loop.
//!
//! The prefixes of a key are found in order of names, from the longest on: each look-up rules out all that do not share
//! what the last one shared, so a change costs a look-up for each prefix that fits and a few more, however many there are.
//!
//! Invariant: a prefix is in the map while a client wants it, and in `changed` while it has keys.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::ops::Bound;

use super::{ClientId, Name};
use crate::resp::{Proto, Reply};

/// Keys that have changed, and whose command changed each of them last.
type Changes = BTreeMap<Name, Option<ClientId>>;

#[derive(Debug, Default)]
struct Audience {
    clients: BTreeSet<ClientId>,
    changes: Changes,
}

/// All prefixes.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    by_name: BTreeMap<Name, Audience>,
    changed: BTreeSet<Name>,
}

/// The keys of a prefix that have changed, and who is to be told.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) clients: Vec<ClientId>,
    changes: Changes,
}

impl Prefixes {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    #[inline]
    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// A client wants to know of a prefix. Returns the prefix as it is kept.
    pub(super) fn add(&mut self, prefix: &[u8], id: ClientId) -> Name {
        let place = (Bound::Included(prefix), Bound::Included(prefix));
        if let Some((name, audience)) = self.by_name.range_mut::<[u8], _>(place).next() {
            audience.clients.insert(id);
            return name.clone();
        }
        let name = Name::from(prefix);
        self.by_name.entry(name.clone()).or_default().clients.insert(id);
        name
    }

    /// A client wants no more to know of a prefix.
    pub(super) fn remove(&mut self, prefix: &[u8], id: ClientId) {
        let Some(audience) = self.by_name.get_mut(prefix) else { return };
        audience.clients.remove(&id);
        if audience.clients.is_empty() {
            self.by_name.remove(prefix);
            self.changed.remove(prefix);
        }
    }

    /// Recounts everything; the prefixes of those who want to know of them are these.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self, wanted: &BTreeMap<Name, BTreeSet<ClientId>>) {
        let listed = self.by_name.iter().map(|(name, audience)| (name, &audience.clients));
        assert!(listed.eq(wanted), "prefixes and who wants to know of them");
        let changed = self.by_name.iter().filter(|(_, audience)| !audience.changes.is_empty());
        assert!(changed.map(|(name, _)| name).eq(&self.changed), "prefixes with keys that have changed");
    }

    /// A key has changed.
    pub(super) fn note(&mut self, key: &[u8], writer: Option<ClientId>) {
        let (mut end, mut own) = (Bound::Included(key), None);
        while let Some((prefix, audience)) =
            self.by_name.range_mut::<[u8], _>((Bound::Unbounded, end)).next_back()
        {
            let common = prefix.iter().zip(key).take_while(|(a, b)| a == b).count();
            let start = &key[..common];
            if common < prefix.len() {
                // Whatever fits and is left is no longer than what this one shares with the key.
                end = Bound::Included(start);
                continue;
            }
            end = Bound::Excluded(start);
            if audience.changes.is_empty() {
                self.changed.insert(prefix.clone());
            }
            let name = own.get_or_insert_with(|| Name::from(key));
            audience.changes.insert(name.clone(), writer);
        }
    }

    /// The keys that have changed since the last time, by prefix.
    pub(super) fn take_changed(&mut self) -> Vec<Changed> {
        let names = core::mem::take(&mut self.changed);
        let taken = names.iter().filter_map(|name| {
            let audience = self.by_name.get_mut(name)?;
            let clients = audience.clients.iter().copied().collect();
            Some(Changed { clients, changes: core::mem::take(&mut audience.changes) })
        });
        taken.collect()
    }
}

impl Changed {
    /// The keys as an array, without those that `but_of` has changed last; `None` when there are no others.
    pub(super) fn encode(&self, but_of: Option<ClientId>) -> Option<Arc<[u8]>> {
        let others = self.changes.iter().filter(|(_, writer)| but_of.is_none() || **writer != but_of);
        let count = others.clone().count();
        if count == 0 {
            return None;
        }
        let mut bytes = Vec::new();
        let mut reply = Reply::new(&mut bytes, Proto::Resp2);
        reply.array(count);
        others.for_each(|(key, _)| reply.bulk(key));
        Some(bytes.into())
    }
}

/// Two prefixes of which one begins with the other, so that a key would be told of twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// The given one of this index, and one that the client has.
    WithOwn(usize, Name),
    /// Two given ones.
    Within(usize, usize),
}

fn overlaps(a: &[u8], b: &[u8]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// One of `names` overlaps with `name`, where no two of them overlap unless one is empty.
fn any_overlaps<N: Borrow<[u8]> + Ord>(names: &BTreeSet<N>, name: &[u8]) -> bool {
    let before = names.range::<[u8], _>((Bound::Unbounded, Bound::Included(name))).next_back();
    let after = names.range::<[u8], _>((Bound::Included(name), Bound::Unbounded)).next();
    let hit = |found: Option<&N>| found.is_some_and(|found| overlaps(found.borrow(), name));
    let everything = names.first().is_some_and(|first| <N as Borrow<[u8]>>::borrow(first).is_empty());
    everything || hit(before) || hit(after)
}

/// The first overlap among a client's own and given prefixes, in the order in which the reference looks for them. Takes
/// O(n log n) for n given ones.
pub fn overlap(own: &BTreeSet<Name>, given: &[&[u8]]) -> Option<Overlap> {
    let (mut later, mut first) = (BTreeSet::<&[u8]>::new(), None);
    for (index, &prefix) in given.iter().enumerate().rev() {
        let within = any_overlaps(&later, prefix);
        if within || any_overlaps(own, prefix) {
            first = Some(index);
        }
        // Of those that overlap the shortest stays: what overlaps with a longer one overlaps with it.
        while let Some(longer) = later.range(prefix..).next().copied().filter(|next| next.starts_with(prefix))
        {
            later.remove(longer);
        }
        if !any_overlaps(&later, prefix) {
            later.insert(prefix);
        }
    }
    let index = first?;
    let prefix = given[index];
    if let Some(name) = own.iter().find(|name| overlaps(name, prefix)) {
        return Some(Overlap::WithOwn(index, name.clone()));
    }
    let second = (index + 1..given.len()).find(|&second| overlaps(given[second], prefix))?;
    Some(Overlap::Within(index, second))
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use super::{Name, Overlap, Prefixes, overlap, overlaps};
    use crate::rng::Rng;

    fn random_name(rng: &mut Rng, len_max: u64) -> Vec<u8> {
        (0..rng.below(len_max + 1)).map(|_| b"ab\0\xff"[usize::try_from(rng.below(4)).unwrap()]).collect()
    }

    #[test]
    fn exactly_the_prefixes_of_a_key_are_noted() {
        let mut rng = Rng::new(7);
        for _ in 0..500 {
            let mut prefixes = Prefixes::default();
            let mut all: BTreeSet<Vec<u8>> = BTreeSet::new();
            for _ in 0..rng.below(12) {
                let name = random_name(&mut rng, 4);
                prefixes.add(&name, 1);
                all.insert(name);
            }
            let key = random_name(&mut rng, 6);
            prefixes.note(&key, None);
            let noted: Vec<Vec<u8>> = prefixes.changed.iter().map(|name| name.to_vec()).collect();
            let wanted: Vec<Vec<u8>> = all.iter().filter(|name| key.starts_with(name)).cloned().collect();
            assert_eq!(noted, wanted, "{key:?} of {all:?}");
            assert_eq!(prefixes.take_changed().len(), wanted.len());
            assert!(!prefixes.has_changed());
            all.iter().for_each(|name| prefixes.remove(name, 1));
            assert!(prefixes.is_empty());
        }
    }

    #[test]
    fn a_key_is_told_once_and_not_to_its_writer() {
        let mut prefixes = Prefixes::default();
        prefixes.add(b"a", 1);
        for (key, writer) in [(b"ab", Some(1)), (b"ac", Some(2)), (b"ab", None), (b"ad", Some(1))] {
            prefixes.note(key, writer);
        }
        let changed = prefixes.take_changed().remove(0);
        let text = |but_of| changed.encode(but_of).map(|bytes| bytes.to_vec());
        assert_eq!(text(None).unwrap(), b"*3\r\n$2\r\nab\r\n$2\r\nac\r\n$2\r\nad\r\n");
        assert_eq!(text(Some(1)).unwrap(), b"*2\r\n$2\r\nab\r\n$2\r\nac\r\n");
        prefixes.note(b"ax", Some(1));
        assert!(prefixes.take_changed()[0].encode(Some(1)).is_none());
    }

    /// As the reference does it: each given one against all own ones, then against all later ones.
    fn naive(own: &BTreeSet<Name>, given: &[&[u8]]) -> Option<Overlap> {
        given.iter().enumerate().find_map(|(index, prefix)| {
            let with_own = own.iter().find(|name| overlaps(name, prefix));
            let within = || (index + 1..given.len()).find(|&later| overlaps(given[later], prefix));
            with_own
                .map(|name| Overlap::WithOwn(index, name.clone()))
                .or_else(|| within().map(|later| Overlap::Within(index, later)))
        })
    }

    #[test]
    fn the_first_overlap_is_found() {
        let mut rng = Rng::new(11);
        let mut found = 0;
        for _ in 0..5000 {
            let mut own: BTreeSet<Name> = BTreeSet::new();
            for _ in 0..rng.below(4) {
                let name = random_name(&mut rng, 3);
                if !own.iter().any(|other| overlaps(other, &name)) {
                    own.insert(name.into());
                }
            }
            if rng.below(10) == 0 {
                own.insert(Name::from(b"".as_slice()));
            }
            let given: Vec<Vec<u8>> = (0..rng.below(7)).map(|_| random_name(&mut rng, 5)).collect();
            let given: Vec<&[u8]> = given.iter().map(Vec::as_slice).collect();
            let got = overlap(&own, &given);
            found += usize::from(got.is_some());
            assert_eq!(got, naive(&own, &given), "{given:?} beside {own:?}");
        }
        assert!((1000..4900).contains(&found), "{found}");
    }
}
