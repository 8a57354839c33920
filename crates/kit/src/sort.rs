//! Orders of lists: their keys and direction.

use std::hash::Hash;

use async_graphql::resolver_utils::EnumType;
use sea_orm::sea_query::{ColumnType, Expr, IntoColumnRef};
use sea_orm::{ColumnTrait, DbBackend, EntityName, EntityTrait, Select};

/// How a sort key is read from a row, stored in a cursor and bound in a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `smallint`.
    SmallInt,
    /// `integer`.
    Int,
    /// `bigint`.
    BigInt,
    /// `numeric`, read as a plain column: SQLite compares it wrongly with an expression.
    Decimal,
    /// Text that sorts by code point on both databases.
    Text,
    /// `date`.
    Date,
    /// `timestamptz`.
    Time,
}

/// One part of an order: an expression over the row.
#[derive(Clone, Debug)]
pub struct SortKey {
    /// The column; an index must begin with the order's keys.
    pub expr: Expr,
    /// Its type.
    pub kind: KeyKind,
    /// The table and the column, if it is a column.
    pub column: Option<(&'static str, &'static str)>,
    /// Whether it may be NULL. Such rows come last in both directions. Only the first key of an order may be nullable.
    pub nullable: bool,
}

impl SortKey {
    /// A column of an entity, which defines its type and whether it is nullable.
    pub fn column<C: ColumnTrait + IntoColumnRef>(column: C) -> Self {
        let definition = column.def();
        let kind = match definition.get_column_type() {
            ColumnType::SmallInteger => KeyKind::SmallInt,
            ColumnType::Integer => KeyKind::Int,
            ColumnType::BigInteger => KeyKind::BigInt,
            ColumnType::Decimal(_) => KeyKind::Decimal,
            ColumnType::Date => KeyKind::Date,
            ColumnType::TimestampWithTimeZone => KeyKind::Time,
            _ => KeyKind::Text,
        };
        Self {
            expr: Expr::col(column.as_column_ref()),
            kind,
            column: Some((C::EntityName::default().table_name(), column.as_str())),
            nullable: definition.is_null(),
        }
    }

    /// A nullable column that is not NULL in any row that the order lists.
    pub fn present<C: ColumnTrait + IntoColumnRef>(column: C) -> Self {
        Self { nullable: false, ..Self::column(column) }
    }

    /// The same, with text compared by code point regardless of the column's collation.
    pub(super) fn by_code_point(self, backend: DbBackend) -> Self {
        match (self.kind, backend) {
            (KeyKind::Text, DbBackend::Postgres) => {
                Self { expr: Expr::cust_with_expr("$1 COLLATE \"C\"", self.expr), ..self }
            }
            _ => self,
        }
    }
}

/// An order that a list offers.
pub trait PageOrder: Copy + Eq + Hash + Send + Sync + 'static {
    /// The table whose rows are listed.
    type Entity: EntityTrait;

    /// The order's name in cursors. For an enum value, it is the name in the schema.
    fn tag(self) -> &'static str;

    /// Whether the greatest comes first, as the name shows.
    fn descending(self) -> bool {
        self.tag() == "NEWEST" || self.tag().ends_with("_DESC")
    }

    /// Most significant first. The last is unique. All have the same direction.
    fn keys(self) -> Vec<SortKey>;

    /// Joins the side tables that contain the keys.
    fn join(self, rows: Select<Self::Entity>) -> Select<Self::Entity> {
        rows
    }
}

/// The name of an order's enum value in the schema.
pub fn choice_name<O: EnumType>(order: O) -> &'static str {
    O::items().iter().find(|item| item.value == order).map_or("", |item| item.name)
}
