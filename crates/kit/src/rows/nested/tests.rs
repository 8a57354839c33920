//! Pages for many parents are compared with rows that are sorted and cut in memory.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use graphql::{Context, NoArguments};
use migration::connect::pool_options;
use request::error::ApiResult;
use sea_orm::sea_query::PostgresQueryBuilder;
use sea_orm::{DatabaseConnection, SqlxSqliteConnector};

use super::*;
use crate::cursor::{KeyPart, Keys};
use crate::page::Window;
use crate::rows::row;
use crate::rows::table::select;
use crate::{Id, PageArgs, PageOrder, SortKey};

mod books {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "books")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub shelf_id: i32,
        pub year: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

row! {
    /// A book.
    Book of books { id: Id<Book>, year: Option<i32> }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ByYear;

impl PageOrder for ByYear {
    type Entity = books::Entity;

    fn tag(self) -> &'static str {
        "YEAR"
    }

    fn keys(self) -> Vec<SortKey> {
        [books::Column::Year, books::Column::Id].map(SortKey::column).into()
    }
}

#[derive(Clone, Debug)]
struct BooksOfShelf;

impl List for BooksOfShelf {
    // Only the parent's key counts: a shelf needs no row.
    type Parent = Book;
    type Row = Book;
    type Order = ByYear;
    type Arguments = NoArguments;

    const LIST: &'static str = "Shelf.books";

    fn parent_column() -> books::Column {
        books::Column::ShelfId
    }

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self, ByYear))
    }
}

/// Shelf, year and id. The fourth shelf is empty.
const BOOKS: [(i32, Option<i32>, i32); 9] = [
    (1, Some(1972), 1),
    (2, None, 2),
    (1, None, 3),
    (3, Some(1979), 4),
    (1, Some(1966), 5),
    (2, None, 6),
    (3, Some(1979), 7),
    (3, Some(1961), 8),
    (1, Some(1972), 9),
];

async fn library() -> DatabaseConnection {
    let pool = pool_options().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let db = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
    db.execute_unprepared("CREATE TABLE books (id INTEGER PRIMARY KEY, shelf_id INTEGER, year INTEGER)").await.unwrap();
    for (shelf, year, id) in BOOKS {
        let year = year.map_or("NULL".to_owned(), |year| year.to_string());
        db.execute_unprepared(&format!("INSERT INTO books VALUES ({id}, {shelf}, {year})")).await.unwrap();
    }
    db
}

/// The parents and ids of each parent's page with one extra row, in reading order.
fn expected(parents: &[i32], size: usize, backward: bool, after: Option<(Option<i32>, i32)>) -> Vec<(i32, i32)> {
    let place = |(year, id): (Option<i32>, i32)| (year.is_none(), year, id);
    let mut parents = parents.to_vec();
    parents.sort_unstable();
    let of = |parent: &i32| {
        let own = BOOKS.iter().filter(|(shelf, ..)| shelf == parent);
        let mut own: Vec<_> = own.map(|(shelf, year, id)| (place((*year, *id)), (*shelf, *id))).collect();
        own.retain(|(at, _)| after.is_none_or(|after| *at > place(after)));
        own.sort_unstable();
        if backward {
            own.reverse();
        }
        own.into_iter().take(size + 1).map(|(_, book)| book).collect::<Vec<_>>()
    };
    parents.iter().flat_map(of).collect()
}

fn statement(window: &Window, parents: &[i32], backend: DbBackend) -> Option<SelectStatement> {
    let plan = PagePlan::new(ByYear, window, backend);
    let base = |rows: Select<books::Entity>| {
        let mut base = rows.select_only().into_query();
        select::<Book>(&mut base, Book::year.columns());
        plan.add_keys(&mut base);
        base
    };
    select_pages::<BooksOfShelf>(&plan, BooksOfShelf.rows(), parents, backend, &base)
}

#[tokio::test]
async fn each_parent_has_its_own_page() {
    let db = library().await;
    for (parents, size, backward) in [
        (&[3, 1, 4, 2][..], 1, false),
        (&[3, 1, 4, 2], 1, true),
        (&[3, 1, 4, 2], 20, false),
        (&[3, 1, 4, 2], 20, true),
        (&[2, 3], 0, false),
        (&[1], 2, true),
        (&[4], 2, false),
    ] {
        for after in [None, Some((Some(1972), 1)), Some((None, 3)), Some((None, 6))] {
            let keys = |(year, id): (Option<i32>, i32)| -> Keys {
                let year = year.map_or(KeyPart::Null, |year| KeyPart::Int(year.into()));
                [year, KeyPart::Int(id.into())].into_iter().collect()
            };
            let window = Window { size, backward, is_sized: true, after: after.map(keys), before: None };
            let statement = statement(&window, parents, DbBackend::Sqlite).unwrap();
            let found = db.query_all(&statement).await.unwrap();
            let found: Vec<(i32, i32)> = found
                .iter()
                .map(|row| {
                    // A single parent is not in the row.
                    let parent = if parents.len() == 1 { parents[0] } else { row.try_get("", PARENT).unwrap() };
                    (parent, row.try_get("", "id").unwrap())
                })
                .collect();
            let expected = expected(parents, size as usize, backward, after);
            assert_eq!(found, expected, "{size} of {parents:?} behind {after:?}, {backward}");
        }
    }
}

/// The API's tests execute it.
#[test]
fn postgres_scans_the_index_once_for_each_parent() {
    let args = PageArgs { first: Some(2), ..PageArgs::default() };
    let window = args.window(BooksOfShelf::LIST, ByYear).unwrap();
    let sql = statement(&window, &[1, 2], DbBackend::Postgres).unwrap().to_string(PostgresQueryBuilder);
    let (outside, page) = sql.split_once("JOIN LATERAL").unwrap();
    assert!(outside.contains("unnest(ARRAY [1,2])"), "{outside}");
    assert_eq!(page.matches(r#""shelf_id" = "parent_key"."parent_key""#).count(), 2, "one for each zone: {page}");
    assert_eq!(page.matches("LIMIT 3").count(), 3, "{page}");
}

#[tokio::test]
async fn parents_without_rows_are_not_counted() {
    let db = library().await;
    let counts = count_rows(&db, &BooksOfShelf, &[1, 2, 4]).await.unwrap();
    assert_eq!(counts, HashMap::from([(1, 4), (2, 2)]));
}
