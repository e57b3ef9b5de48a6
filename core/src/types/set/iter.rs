//! Walking through the members of a set.

use super::Set;
use crate::types::intset::Intset;
use crate::types::listpack::{Element, Entries};
use crate::types::members::Members;

/// The members of a set: integers in rising order, else in the order in which they were added, else in none.
#[derive(Clone, Debug)]
pub struct Iter<'a>(Inner<'a>);

#[derive(Clone, Debug)]
enum Inner<'a> {
    Intset(&'a Intset, usize),
    Listpack(Entries<'a>),
    Table(Members<'a, 0>),
}

impl<'a> Iter<'a> {
    pub(super) fn new(set: &'a Set) -> Self {
        Self(match set {
            Set::Intset(intset) => Inner::Intset(intset, 0),
            Set::Listpack(listpack) => Inner::Listpack(listpack.entries()),
            Set::Table(table) => Inner::Table(table.iter()),
        })
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match &mut self.0 {
            Inner::Intset(intset, index) => {
                let value = intset.get(*index)?;
                *index += 1;
                Some(Element::Int(value))
            }
            Inner::Listpack(entries) => entries.next().map(|(_, element)| element),
            Inner::Table(members) => members.next().map(Element::Bytes),
        }
    }
}
