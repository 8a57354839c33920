//! Mutations while the leader is down or changes: they wait, and are retried where that is safe.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::pair::{Answer, Client, Pair, text, until};
use crate::support::database::connect_to;

/// Several clients that write comments until they are told to stop.
struct Writers<'a> {
    user: &'a Client,
    has_keys: bool,
    stopped: AtomicBool,
    written: AtomicUsize,
}

impl<'a> Writers<'a> {
    fn new(user: &'a Client, has_keys: bool) -> Self {
        Self { user, has_keys, stopped: AtomicBool::new(false), written: AtomicUsize::new(0) }
    }

    /// Writes comments. Returns each text with its response.
    async fn write(&self) -> Vec<(String, Answer)> {
        let write = async |writer: usize| {
            let mut answers = Vec::new();
            while !self.stopped.load(Ordering::Relaxed) {
                let text = format!("{writer}-{}", answers.len());
                let answer = self.user.add(&text, self.has_keys.then_some(&*format!("key-{text}"))).await;
                self.written.fetch_add(usize::from(answer.is_good()), Ordering::Relaxed);
                answers.push((text, answer));
            }
            answers
        };
        join_all((0..4).map(write)).await.into_iter().flatten().collect()
    }

    /// Runs an action between comments, and stops after more comments.
    async fn meet(&self, event: impl AsyncFnOnce()) {
        self.wait_for_more().await;
        event().await;
        self.wait_for_more().await;
        self.stopped.store(true, Ordering::Relaxed);
    }

    async fn wait_for_more(&self) {
        let before = self.written.load(Ordering::Relaxed);
        until("comments are written", async || self.written.load(Ordering::Relaxed) >= before + 12).await;
    }
}

async fn count(db: &DatabaseConnection, comment: &str) -> String {
    text(db, &format!("SELECT count(*)::text FROM comments WHERE comment = '{comment}'")).await
}

/// Asserts that each acknowledged comment exists, and none twice.
async fn check_comments(db: &DatabaseConnection, answers: &[(String, Answer)]) {
    for (comment, answer) in answers {
        let found = count(db, comment).await;
        assert!(found == "1" || found == "0" && !answer.is_good(), "{comment} is there {found} times: {answer:?}");
    }
}

async fn execute(db: &DatabaseConnection, statements: &[&str]) {
    for sql in statements {
        db.execute_unprepared(sql).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mutations_with_keys_survive_the_death_of_the_leader() {
    let pair = Pair::start().await;
    let server = pair.serve(&[]);
    let user = Client::sign_up(&server, "anna").await;
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    execute(&primary, &["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"]).await;
    let writers = Writers::new(&user, true);
    let died = writers.meet(async || {
        pair.primary.stop_at_once();
        tokio::time::sleep(Duration::from_millis(500)).await;
        pair.fail_over();
    });
    let (answers, ()) = tokio::join!(writers.write(), died);
    let bad: Vec<_> = answers.iter().filter(|(_, answer)| !answer.is_good()).collect();
    assert!(bad.is_empty(), "{bad:?}");
    check_comments(&connect_to(&pair.standby_url()).await.unwrap(), &answers).await;
    assert!(user.count("kinoteka_mutation_leader_wait_seconds_count").await >= 4.0);
    assert!(user.count("kinoteka_mutations_repeated_total").await >= 1.0);
    assert_eq!(user.count("kinoteka_mutations_unknown_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switchover_fails_no_mutation() {
    let pair = Pair::start().await;
    let server = pair.serve(&[]);
    let user = Client::sign_up(&server, "anna").await;
    pair.settle().await;
    let writers = Writers::new(&user, false);
    let switched = writers.meet(async || {
        pair.primary.stop_cleanly();
        pair.fail_over();
    });
    let (answers, ()) = tokio::join!(writers.write(), switched);
    for (_, answer) in answers.iter().filter(|(_, answer)| !answer.is_good()) {
        // A connection may break just at that moment.
        assert_eq!((answer.code(), answer.outcome()), ("UNAVAILABLE", "UNKNOWN"), "{answer:?}");
    }
    let failed = answers.iter().filter(|(_, answer)| !answer.is_good()).count();
    assert!(failed <= 1, "{failed} of {}", answers.len());
    check_comments(&connect_to(&pair.standby_url()).await.unwrap(), &answers).await;
    // Mutations that hash passwords and use a transaction too: switch back.
    drop(Client::sign_up(&server, "boris").await);
}

/// Like a server between its election and its promotion.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_read_only_for_a_second_fails_no_mutation() {
    let pair = Pair::start().await;
    let server = pair.serve(&[]);
    let user = Client::sign_up(&server, "anna").await;
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    let writers = Writers::new(&user, false);
    let refused = writers.meet(async || {
        let set = "ALTER SYSTEM SET default_transaction_read_only = on";
        execute(&primary, &[set, "SELECT pg_reload_conf()"]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let reset = "ALTER SYSTEM RESET default_transaction_read_only";
        execute(&primary, &["SET default_transaction_read_only = off", reset, "SELECT pg_reload_conf()"]).await;
    });
    let (answers, ()) = tokio::join!(writers.write(), refused);
    assert!(answers.iter().all(|(_, answer)| answer.is_good()), "{answers:?}");
    check_comments(&primary, &answers).await;
    assert!(user.count("kinoteka_mutations_repeated_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_on_a_broken_connection_are_retried_only_where_that_is_safe() {
    let pair = Pair::start().await;
    // The exact number: a retried mutation counts once.
    let limits = ["--mutations-per-user", "5", "--idempotency-keys-per-user", "1", "--signups-per-address", "2"];
    let server = pair.serve(&limits);
    let user = Client::sign_up(&server, "anna").await;
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    // The connection breaks after the change was committed.
    let broken = async |change: &mut (dyn Future<Output = Answer> + Unpin + Send), is_there: &str| {
        let cut = async {
            until("it is done", async || text(&primary, is_there).await == "1").await;
            pair.front.cut();
        };
        tokio::join!(change, cut).0
    };
    let there = |comment: &str| format!("SELECT count(*)::text FROM comments WHERE comment = '{comment}'");

    pair.front.mute_at("без ключа");
    let answer = broken(&mut Box::pin(user.add("без ключа", None)), &there("без ключа")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code(), answer.outcome()),
        (503, "UNAVAILABLE", "UNKNOWN"),
        "{answer:?}"
    );
    assert_eq!(user.count("kinoteka_mutations_unknown_total").await, 1.0);

    pair.front.mute_at("с ключом");
    let answer = broken(&mut Box::pin(user.add("с ключом", Some("key"))), &there("с ключом")).await;
    assert!(answer.is_good(), "{answer:?}");

    // A transaction, at its commit: without a key the outcome is unknown; with one, the first outcome is returned.
    let profile = "mutation { it: updateProfile(input: { fullName: \"Анна\" }) { errors { message } } }";
    pair.front.mute_at("COMMIT");
    let is_renamed = "SELECT count(*)::text FROM users WHERE fio = 'Анна'";
    let answer = broken(&mut Box::pin(user.ask(profile)), is_renamed).await;
    assert_eq!((answer.code(), answer.outcome()), ("UNAVAILABLE", "UNKNOWN"), "{answer:?}");
    pair.front.mute_at("COMMIT");
    let cut = async {
        let is_there = "SELECT count(*)::text FROM users WHERE username = 'boris'";
        until("it is done", async || text(&primary, is_there).await == "1").await;
        pair.front.cut();
    };
    let (boris, ()) = tokio::join!(Client::sign_up_with(&server, "boris", Some("sign-up")), cut);
    assert!(boris.comment().await.is_good(), "the token must belong to the new session");

    // Before the commit, nothing is done.
    let profile = "mutation { it: updateProfile(input: { fullName: \"Анна Ивановна\" }) { errors { message } } }";
    pair.front.mute_at("Анна Ивановна");
    let cut = async {
        until("it is sent", async || pair.front.has_muted()).await;
        pair.front.cut();
    };
    let (answer, ()) = tokio::join!(user.ask(profile), cut);
    assert!(answer.is_good(), "{answer:?}");

    // No change arrives late.
    assert!(user.comment().await.is_good());
    assert_eq!([count(&primary, "без ключа").await, count(&primary, "с ключом").await], ["1", "1"]);
    assert_eq!(user.count("kinoteka_mutations_unknown_total").await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_mutations_are_bounded_and_continue_with_the_next_leader() {
    let pair = Pair::start().await;
    let server = pair.serve(&["--leader-waiting", "3", "--leader-waiting-per-client", "2"]);
    let user = Client::sign_up(&server, "anna").await;
    let others = [user.from([127, 0, 0, 2]), user.from([127, 0, 0, 3])];
    pair.settle().await;
    pair.primary.stop_at_once();
    user.wait_for("read-only").await;
    let refused = async |client: &Client, limit: &str| {
        let series = format!("kinoteka_limits_hit_total{{limit=\"{limit}\"}}");
        let answer = client.comment().await;
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "UNAVAILABLE"), "{answer:?}");
        assert_eq!(answer.outcome(), "NOTHING");
        assert!(answer.took < Duration::from_secs(1) && answer.retry_after.is_some(), "{answer:?}");
        assert_eq!(user.count(&series).await, 1.0);
    };
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        refused(&user, "leader-waiting-per-client").await;
        let last = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            refused(&others[1], "leader-waiting").await;
            user.read("{ viewer { username } }").await;
            pair.fail_over();
            Instant::now()
        };
        tokio::join!(others[0].comment(), last)
    };
    let (first, second, (third, led)) = tokio::join!(user.comment(), user.comment(), meanwhile);
    for answer in [first, second, third] {
        assert!(answer.is_good(), "{answer:?}");
    }
    assert!(led.elapsed() < Duration::from_secs(3), "{:?}", led.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_without_a_leader_fails_within_the_requests_timeout() {
    let pair = Pair::start().await;
    let server = pair.serve(&["--request-timeout-ms", "2500"]);
    let user = Client::sign_up(&server, "anna").await;
    pair.settle().await;
    pair.primary.stop_at_once();
    user.wait_for("read-only").await;
    let ask = |mutations: &str| format!("mutation {{ {mutations} }}");
    let one = "a: logOutEverywhere { endedSessions }";
    for mutations in [one.to_owned(), format!("{one} b: logOut {{ endedSessions }}")] {
        let answer = user.ask(&ask(&mutations)).await;
        assert_eq!((answer.code(), answer.outcome()), ("UNAVAILABLE", "NOTHING"), "{answer:?}");
        let time = Duration::from_millis(1_500)..Duration::from_millis(2_500);
        assert!(time.contains(&answer.took), "{answer:?}");
    }
}
