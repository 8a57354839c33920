//! Row types: the columns of a table that an object consists of.

use graphql::Columns;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Func, Query, SelectStatement};
use sea_orm::{DbErr, EntityName, EntityTrait, QueryResult};

use crate::NodeType;

/// A row of a table, as an object of the schema.
pub trait Record: graphql::Row + Clone {
    /// The table.
    type Entity: EntityTrait<Model: Sync>;

    /// The columns, in the order of their bits.
    const COLUMNS: &'static [&'static str];

    /// The columns that are always read: the first, and the owner's.
    const ALWAYS_READ: Columns;

    /// Reads these columns of a row, which begin at a position.
    ///
    /// # Errors
    /// A column has another type.
    fn read(row: &QueryResult, from: usize, columns: Columns) -> Result<Self, DbErr>;

    /// The size of the row's texts in bytes.
    fn text_bytes(&self) -> usize;
}

/// A row that others refer to by its integer primary key, which is its first column.
pub trait Table: Record + NodeType {
    /// Whether the row is in a registry, which others refer to. It may then come from the registry cache.
    const IS_REGISTRY: bool = false;

    /// The row's primary key.
    fn key(&self) -> i32;

    /// The column of the primary key.
    fn key_column() -> <Self::Entity as EntityTrait>::Column;

    /// The rows that nobody may see, if any.
    const HIDDEN: Option<Hidden> = None;

    /// The key of the only user who may see the row. `None` if everyone may.
    fn owner(&self) -> Option<i32> {
        None
    }
}

/// How to recognize the rows that nobody may see.
#[derive(Clone, Copy, Debug)]
pub enum Hidden {
    /// This column is set.
    Deleted(&'static str),
    /// This column refers to a table with soft deletion: the referenced row's `deleted_at` is set.
    With {
        /// The column.
        column: &'static str,
        /// The table.
        parent: &'static str,
    },
}

impl Hidden {
    /// Whether a row is visible, if the table has this alias.
    pub fn shows(self, table: &Alias) -> Expr {
        let column = |name| Expr::col((table.clone(), Alias::new(name)));
        match self {
            Self::Deleted(deleted_at) => column(deleted_at).is_null(),
            Self::With { column: key, parent } => shows_with(column(key), parent),
        }
    }
}

/// Whether a row is visible that refers with this key, which may be NULL, to a table with soft deletion. Hidden rows
/// are rare.
pub fn shows_with(key: Expr, parent: &'static str) -> Expr {
    let (id, deleted_at) = (Alias::new("id"), Alias::new("deleted_at"));
    let hidden =
        Query::select().column(id).from(Alias::new(parent)).and_where(Expr::col(deleted_at).is_not_null()).take();
    Expr::expr(Func::coalesce([key, Expr::val(0)])).not_in_subquery(hidden)
}

/// The primary key alone.
pub const KEY: Columns = 1;

/// A column of a row type.
pub struct RowColumn<T, V> {
    /// Its bit.
    pub at: u32,
    /// Its value.
    pub get: fn(&T) -> &V,
}

impl<T, V> RowColumn<T, V> {
    /// The column alone.
    pub const fn columns(&self) -> Columns {
        1 << self.at
    }
}

impl<T, V> std::fmt::Debug for RowColumn<T, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Field({})", self.at)
    }
}

/// The indices of these columns and of those that are always read.
fn column_indices<T: Record>(columns: Columns) -> impl Iterator<Item = usize> {
    let columns = columns | T::ALWAYS_READ;
    (0..T::COLUMNS.len()).filter(move |place| columns & (1 << place) != 0)
}

/// The number of columns that are read.
pub fn width<T: Record>(columns: Columns) -> usize {
    column_indices::<T>(columns).count()
}

/// The index of this column among those that are read, if it is.
pub fn place_of<T: Record>(columns: Columns, name: &str) -> Option<usize> {
    column_indices::<T>(columns).position(|place| T::COLUMNS[place] == name)
}

/// Adds the columns that are read to a statement over the table.
pub fn select<T: Record>(statement: &mut SelectStatement, columns: Columns) {
    select_as::<T>(statement, &Alias::new(T::Entity::default().table_name()), columns);
}

/// The same, if the table has this alias.
pub fn select_as<T: Record>(statement: &mut SelectStatement, table: &Alias, columns: Columns) {
    for place in column_indices::<T>(columns) {
        statement.expr(Expr::col((table.clone(), Alias::new(T::COLUMNS[place]))));
    }
}

/// Defines a row type. Its fields are columns of the table; their types are checked at compile time.
///
/// `row! { Movie of movies { id: Id<Movie>, original_title: Option<String> = title_original } }`. Options may follow
/// the table's name, in this order:
/// - `[registry: true]`: see [`Table::IS_REGISTRY`];
/// - `[hidden: deleted_at]`: see [`Hidden::Deleted`];
/// - `[with: publication_id of publications]`: see [`Hidden::With`];
/// - `[owner: user_id]`: the field with the id of the only user who may see the row;
/// - alone, `[key: none]`: the table has no integer key, and nothing refers to its rows.
#[macro_export]
macro_rules! row {
    (@column $field:ident) => { stringify!($field) };
    (@column $field:ident $column:ident) => { stringify!($column) };
    (@get $model:ident $field:ident) => { &$model.$field };
    (@get $model:ident $field:ident $column:ident) => { &$model.$column };
    (@record $node:ident of $table:ident { $($field:ident: $of:ty $(= $column:ident)?),* } always: $always:expr) => {
        // A column of another type does not compile, nor does a nullable column without `Option`.
        $(const _: fn(&$table::Model) -> &<$of as $crate::rows::ColumnValue>::Stored =
            |model| $crate::rows::row!(@get model $field $($column)?);)*

        impl graphql::Row for $node {
            fn type_name() -> graphql::TypeName {
                stringify!($node).into()
            }
        }

        impl $crate::rows::Record for $node {
            type Entity = $table::Entity;

            const COLUMNS: &'static [&'static str] = &[$($crate::rows::row!(@column $field $($column)?)),*];
            const ALWAYS_READ: graphql::Columns = $always;

            fn read(row: &sea_orm::QueryResult, from: usize, columns: graphql::Columns) -> Result<Self, sea_orm::DbErr> {
                let columns = columns | Self::ALWAYS_READ;
                let mut at = from;
                $(let $field = if columns & (1 << Place::$field as u32) != 0 {
                    at += 1;
                    $crate::rows::ColumnValue::read(row, at - 1)?
                } else {
                    $crate::rows::ColumnValue::unread()
                };)*
                Ok(Self { $($field),* })
            }

            fn text_bytes(&self) -> usize {
                0 $(+ $crate::rows::ColumnValue::text_bytes(&self.$field))*
            }
        }
    };
    (@fields $node:ident { $($field:ident: $of:ty),* } places: $($place:ident),*) => {
        #[expect(non_camel_case_types, reason = "the fields' names, to count them")]
        enum Place { $($place),* }

        #[expect(non_upper_case_globals, reason = "columns have the names of fields")]
        impl $node {
            $(pub(crate) const $field: $crate::rows::RowColumn<$node, $of> =
                $crate::rows::RowColumn { at: Place::$field as u32, get: |row| &row.$field };)*
        }
    };
    (
        $(#[$doc:meta])*
        $node:ident of $table:ident [key: none] { $($field:ident: $of:ty $(= $column:ident)?),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $node {
            $(pub(crate) $field: $of,)*
        }

        const _: () = {
            $crate::rows::row!(@fields $node { $($field: $of),* } places: $($field),*);
            $crate::rows::row!(@record $node of $table { $($field: $of $(= $column)?),* } always: 1);
        };
    };
    (
        $(#[$doc:meta])*
        $node:ident of $table:ident
        $([registry: $registry:literal])? $([hidden: $hidden:ident])? $([with: $with:ident of $parent:ident])? $([owner: $owner:ident])?
        { $first:ident: $of_first:ty, $($field:ident: $of:ty $(= $column:ident)?),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $node {
            pub(crate) $first: $of_first,
            $(pub(crate) $field: $of,)*
        }

        const _: () = {
            $crate::rows::row!(@fields $node { $($field: $of),* } places: $first, $($field),*);
            $crate::rows::row!(
                @record $node of $table { $first: $of_first, $($field: $of $(= $column)?),* }
                always: 1 $(| Self::$owner.columns())?
            );

            impl $crate::NodeType for $node {
                const TYPE: &'static str = stringify!($node);
            }

            impl $crate::rows::Table for $node {
                $(const IS_REGISTRY: bool = $registry;)?

                fn key(&self) -> i32 {
                    self.$first.key()
                }

                fn key_column() -> $table::Column {
                    $table::Column::Id
                }

                $(const HIDDEN: Option<$crate::rows::Hidden> = {
                    let _: fn(&$table::Model) -> bool = |model| model.$hidden.is_some();
                    Some($crate::rows::Hidden::Deleted(stringify!($hidden)))
                };)?

                $(const HIDDEN: Option<$crate::rows::Hidden> = {
                    let _: fn(&$table::Model) -> Option<i32> = |model| model.$with;
                    let _: fn(&$parent::Model) -> bool = |model| model.deleted_at.is_some();
                    Some($crate::rows::Hidden::With { column: stringify!($with), parent: stringify!($parent) })
                };)?

                $(fn owner(&self) -> Option<i32> {
                    Some((Self::$owner.get)(self).key())
                })?
            }
        };
    };
}
pub use row;
