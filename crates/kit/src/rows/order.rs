//! The order of lists with only one order.

use std::hash::Hash;
use std::marker::PhantomData;

use super::table::Table;
use crate::sort::{PageOrder, SortKey};

/// The order of a list with only one order: by primary key, oldest first.
pub struct ByKey<N>(PhantomData<fn() -> N>);

impl<N> Default for ByKey<N> {
    fn default() -> Self {
        Self(PhantomData)
    }
}
impl<N> Clone for ByKey<N> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<N> Copy for ByKey<N> {}
impl<N> PartialEq for ByKey<N> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl<N> Eq for ByKey<N> {}
impl<N> Hash for ByKey<N> {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl<N: Table> PageOrder for ByKey<N> {
    type Entity = N::Entity;

    fn tag(self) -> &'static str {
        "KEY"
    }

    fn keys(self) -> Vec<SortKey> {
        vec![SortKey::column(N::key_column())]
    }
}
