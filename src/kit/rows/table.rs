//! Row types: which columns of a table an object is made of.

use graphql::Columns;
use sea_orm::sea_query::{Alias, Expr, SelectStatement};
use sea_orm::{DbErr, EntityName, EntityTrait, QueryResult};

use crate::kit::NodeType;

/// A table's row as an object of the schema.
pub trait Table: graphql::Row + NodeType + Clone {
    /// The table.
    type Entity: EntityTrait<Model: Sync>;

    /// The columns, in the order of their bits. The first is the integer primary key, which is always read.
    const COLUMNS: &'static [&'static str];

    /// Whether the row is one of a registry, which others refer to: it may be a moment old then.
    const IS_REGISTRY: bool = false;

    /// Reads these columns of a row, from a place on.
    ///
    /// # Errors
    /// A column has another type.
    fn read(row: &QueryResult, from: usize, columns: Columns) -> Result<Self, DbErr>;

    /// The row's primary key.
    fn key(&self) -> i32;

    /// Which rows nobody may see, if there are such.
    fn hidden() -> Option<Expr> {
        None
    }

    /// The column that [`owner`](Self::owner) needs.
    const OWNER: Columns = 0;

    /// The key of the one user who may see the row, if not everybody may.
    fn owner(&self) -> Option<i32> {
        None
    }
}

/// The primary key. It is always read: those who select it share a statement with those who do not.
pub(super) const KEY: Columns = 1;

/// A column of a row type.
pub struct Field<T, V> {
    /// Its bit.
    pub at: u32,
    /// Its value.
    pub get: fn(&T) -> &V,
}

impl<T, V> Field<T, V> {
    /// The column alone.
    pub const fn columns(&self) -> Columns {
        1 << self.at
    }
}

impl<T, V> std::fmt::Debug for Field<T, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Field({})", self.at)
    }
}

/// The places of these columns among all.
fn places<T: Table>(columns: Columns) -> impl Iterator<Item = usize> {
    (0..T::COLUMNS.len()).filter(move |place| *place == 0 || columns & (1 << place) != 0)
}

/// How many of the columns are read.
pub fn width<T: Table>(columns: Columns) -> usize {
    places::<T>(columns).count()
}

/// Adds the columns that are read to a statement over the table.
pub fn select<T: Table>(statement: &mut SelectStatement, columns: Columns) {
    let table = Alias::new(T::Entity::default().table_name());
    for place in places::<T>(columns) {
        statement.expr(Expr::col((table.clone(), Alias::new(T::COLUMNS[place]))));
    }
}

/// Makes a row type: its fields are columns of the table, whose types fit or do not compile.
///
/// `row! { Movie of movies { id: Id<Movie>, original_title: Option<String> = title_original } }`. Behind the table's name
/// may stand `[registry: true]`, what [`Table::hidden`] gives, and the column of [`Table::owner`].
macro_rules! row {
    (@column $field:ident) => { stringify!($field) };
    (@column $field:ident $column:ident) => { stringify!($column) };
    (@get $model:ident $field:ident) => { &$model.$field };
    (@get $model:ident $field:ident $column:ident) => { &$model.$column };
    (
        $(#[$doc:meta])*
        $node:ident of $table:ident
        $([registry: $registry:literal])? $([hidden: $hidden:expr])? $([owner: $owner:ident])?
        { $first:ident: $of_first:ty, $($field:ident: $of:ty $(= $column:ident)?),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $node {
            pub(crate) $first: $of_first,
            $(pub(crate) $field: $of,)*
        }

        const _: () = {
            #[expect(non_camel_case_types, dead_code, reason = "the fields' names, to count them")]
            enum Place { $first, $($field),* }

            #[expect(non_upper_case_globals, reason = "columns are called as fields are")]
            impl $node {
                $(pub(crate) const $field: $crate::kit::rows::Field<$node, $of> =
                    $crate::kit::rows::Field { at: Place::$field as u32, get: |row| &row.$field };)*
            }

            // A column of another type, or one that may be NULL, does not fit.
            const _: fn(&entity::$table::Model) -> &i32 = |model| &model.$first;
            $(const _: fn(&entity::$table::Model) -> &<$of as $crate::kit::rows::Cell>::Stored =
                |model| $crate::kit::rows::row!(@get model $field $($column)?);)*

            impl graphql::Row for $node {
                fn type_name() -> graphql::Name {
                    stringify!($node).into()
                }
            }

            impl $crate::kit::NodeType for $node {
                const TYPE: &'static str = stringify!($node);
            }

            impl $crate::kit::rows::Table for $node {
                type Entity = entity::$table::Entity;

                const COLUMNS: &'static [&'static str] =
                    &[stringify!($first), $($crate::kit::rows::row!(@column $field $($column)?)),*];
                $(const IS_REGISTRY: bool = $registry;)?

                fn read(
                    row: &sea_orm::QueryResult,
                    from: usize,
                    columns: graphql::Columns,
                ) -> Result<Self, sea_orm::DbErr> {
                    let $first = $crate::kit::rows::Cell::read(row, from)?;
                    let mut at = from;
                    $(let $field = if columns & (1 << Place::$field as u32) != 0 {
                        at += 1;
                        $crate::kit::rows::Cell::read(row, at)?
                    } else {
                        $crate::kit::rows::Cell::unread()
                    };)*
                    let _ = at;
                    Ok(Self { $first, $($field),* })
                }

                fn key(&self) -> i32 {
                    self.$first.key()
                }

                $(fn hidden() -> Option<sea_orm::sea_query::Expr> {
                    Some($hidden)
                })?

                $(const OWNER: graphql::Columns = $node::$owner.columns();

                fn owner(&self) -> Option<i32> {
                    Some(self.$owner.key())
                })?
            }
        };
    };
}
pub(crate) use row;
