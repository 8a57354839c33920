//! Users that can log in, and users that cannot.

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::content::count;
use crate::program::{seed, seed_well};
use crate::support::database::{Backend, TestDatabase};

on_both!(demo_accounts_have_the_stated_password_and_roles, nobody_else_can_log_in);

async fn demo_accounts_have_the_stated_password_and_roles(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let output = seed(&database, &["--with-demo-accounts", "--load-accounts=2"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("kinoteka-demo") && said.contains("load1 to load2"), "{said}");
    let db = database.connect().await;
    let users = entity::users::Entity::find().filter(entity::users::Column::Id.gt(300)).all(&db).await.unwrap();
    let names: Vec<_> = users.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(names, ["member", "editor", "admin", "load1", "load2"]);
    for user in &users {
        let hash = PasswordHash::new(&user.password).unwrap();
        assert!(Argon2::default().verify_password(b"kinoteka-demo", &hash).is_ok(), "{}", user.username);
    }
    let roles = entity::user_roles::Entity::find().all(&db).await.unwrap();
    let mut roles: Vec<_> = roles.iter().map(|role| (role.user_id, role.role.as_str())).collect();
    roles.sort_unstable();
    assert_eq!(roles, [(users[1].id, "editor"), (users[2].id, "admin")]);
}

#[tokio::test]
async fn created_accounts_are_listed() {
    for (number, named) in [("0", "admin"), ("1", "admin, load1"), ("2", "admin, load1 to load2")] {
        let database = TestDatabase::migrated(Backend::Sqlite).await;
        let output = seed(&database, &["--with-demo-accounts", "--load-accounts", number]);
        let said = String::from_utf8(output.stderr).unwrap();
        let accounts = format!("accounts: member, editor, {named}, all with the password kinoteka-demo");
        assert!(output.status.success() && said.contains(&accounts), "{said}");
    }
}

async fn nobody_else_can_log_in(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    seed_well(&database, &[]);
    let db = database.connect().await;
    let able = entity::users::Entity::find().filter(entity::users::Column::Password.ne("!"));
    assert_eq!(able.count(&db).await.unwrap(), 0);
    assert_eq!(count(&db, "user_roles").await, 0);
    // The number has no meaning without the accounts.
    let output = seed(&database, &["--load-accounts=2"]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
