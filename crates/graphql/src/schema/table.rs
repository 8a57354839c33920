//! Lists of named items.

use std::collections::HashMap;

use super::{DirectiveDefinition, FieldDefinition, InputValue, Type};

/// Something with a name.
pub trait HasName {
    /// The name.
    fn name(&self) -> &str;
}

macro_rules! named {
    ($($of:ident),*) => {
        $(impl<N> HasName for $of<N> {
            fn name(&self) -> &str {
                &self.name
            }
        })*
    };
}

named!(DirectiveDefinition, FieldDefinition, InputValue, Type);

/// Items in order, with an index by name.
#[derive(Clone, Debug)]
pub struct NameIndex<T> {
    items: Vec<T>,
    index: HashMap<String, usize>,
}

impl<T> Default for NameIndex<T> {
    fn default() -> Self {
        Self { items: Vec::new(), index: HashMap::new() }
    }
}

impl<T: HasName> NameIndex<T> {
    /// Adds an item, or replaces the one with its name.
    pub fn insert(&mut self, item: T) {
        if let Some(i) = self.position(item.name()) {
            self.items[i] = item;
        } else {
            self.index.insert(item.name().to_owned(), self.items.len());
            self.items.push(item);
        }
    }

    /// The position of the item with a name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The item with a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.position(name).map(|i| &self.items[i])
    }

    /// The items in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    pub(super) fn at(&self, position: usize) -> &T {
        &self.items[position]
    }
}

impl<T: HasName> FromIterator<T> for NameIndex<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut table = Self::default();
        items.into_iter().for_each(|item| table.insert(item));
        table
    }
}

impl<'t, T: HasName> IntoIterator for &'t NameIndex<T> {
    type Item = &'t T;
    type IntoIter = std::slice::Iter<'t, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
