//! The example of docs/mutations.md, against a server that is killed.

use std::time::Duration;

use entity::comments;
use sea_orm::{EntityTrait, PaginatorTrait};

use crate::process::Server;
use crate::support::address::own_address;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};

#[path = "../../examples/add_comment.rs"]
#[expect(dead_code, reason = "the program's own main and its output")]
mod add_comment;

on_both!(typed_client_comments_once);

const PASSWORD: &str = "трамвай № 47";

async fn typed_client_comments_once(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let listen = own_address().to_string();
    let args = ["--database-url", &database.url, "--password-memory-kib", "64", "--password-passes", "1"];
    let mut server = Server::start_at(&listen, &args);
    let sign_up = serde_json::json!({ "query": "mutation { signUp(input: { username: \"anna\", email: \"anna@example.org\",
        password: \"трамвай № 47\", fullName: \"Анна\", birthday: \"1990-01-01\" }) { errors { message } } }" });
    client::new().post(&server.url).json(&sign_up).send().await.unwrap().error_for_status().unwrap();
    let mut library = add_comment::Library::new(&server.url);
    let wrong = library.log_in("anna".to_owned(), "не тот пароль".to_owned()).await.unwrap_err();
    assert_eq!(wrong.to_string(), "the login or the password is wrong");
    library.log_in("anna".to_owned(), PASSWORD.to_owned()).await.unwrap();
    let movie = || kinoteka::kit::id::encode("Movie", 1);
    let comment = library.comment(movie(), "Первый".to_owned()).await.unwrap();
    assert_eq!(comment.text, "Первый");
    assert_eq!(comment.author.unwrap().username, "anna");
    let refused = library.comment(movie(), " ".to_owned()).await.unwrap_err();
    assert_eq!(refused.to_string(), "BAD_USER_INPUT input.text: must not be empty");

    let db = database.connect().await;
    let before = comments::Entity::find().count(&db).await.unwrap();
    // Killed at any moment. Whatever is lost, the client adds one comment.
    for round in 0..6_u64 {
        let comment = library.comment(movie(), format!("Комментарий {round}"));
        let crash = async {
            // In each round, at another moment of the request.
            tokio::time::sleep(Duration::from_micros(round * 700)).await;
            server.crash();
            server = Server::start_at(&listen, &args);
        };
        let (comment, ()) = tokio::join!(comment, crash);
        assert_eq!(comment.unwrap().text, format!("Комментарий {round}"));
        assert_eq!(comments::Entity::find().count(&db).await.unwrap(), before + round + 1);
    }
}
