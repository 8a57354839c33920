//! Many listeners on one thread, on raw sockets. They only count results, to use as little time as possible.

use std::cell::{Cell, RefCell};
use std::io::BufRead;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// The results that all listeners have received.
#[derive(Default)]
struct Results {
    results: Cell<usize>,
    first: Cell<Option<Instant>>,
    last: Cell<Option<Instant>>,
    delays_us: RefCell<Vec<u64>>,
}

/// Arguments: address, path, count. Standard input: a document per line, then commands.
pub fn run(arguments: &[String]) {
    let [address, path, count] = arguments else { panic!("clients ADDRESS PATH COUNT") };
    let count: usize = count.parse().unwrap();
    let mut lines = std::io::stdin().lock().lines();
    let documents: Vec<String> = lines.by_ref().take(count).map(Result::unwrap).collect();
    // The thread that reads commands needs the lock.
    drop(lines);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let received = Rc::new(Results::default());
    runtime.block_on(LocalSet::new().run_until(async {
        // In small groups, so that the backlog of connections does not overflow.
        let gate = Rc::new(tokio::sync::Semaphore::new(200));
        let mut connecting = Vec::new();
        for document in documents {
            let (gate, received) = (Rc::clone(&gate), Rc::clone(&received));
            let (address, path) = (address.clone(), path.clone());
            connecting.push(tokio::task::spawn_local(async move {
                let permit = gate.acquire().await.unwrap();
                let stream = connect(&address, &path, &document).await;
                drop(permit);
                tokio::task::spawn_local(listen(stream, received));
            }));
        }
        for connecting in connecting {
            connecting.await.unwrap();
        }
        println!("connected");
        // Another thread reads commands, so that reading does not block the listeners.
        let (commands, mut command) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if commands.send(line).is_err() {
                    return;
                }
            }
        });
        while let Some(command) = command.recv().await {
            answer(&command, &received).await;
        }
    }));
}

async fn answer(command: &str, received: &Results) {
    if command == "delays" {
        let mut delays = received.delays_us.take();
        delays.sort_unstable();
        let at = |share: f64| delays[(delays.len() as f64 * share) as usize] as f64 / 1e3;
        println!("{} {}", at(0.5), at(0.99));
        return;
    }
    let wanted: usize = command.parse().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while received.results.get() < wanted {
        assert!(Instant::now() < deadline, "{} of {wanted} results arrived", received.results.get());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let time = received.last.get().unwrap() - received.first.get().unwrap();
    println!("{}", time.as_secs_f64());
}

async fn connect(address: &str, path: &str, document: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let upgrade = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    // The server sends nothing after the head before the first message.
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut head).await.unwrap() > 0, "{}", String::from_utf8_lossy(&head));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream.write_all(&frame(r#"{"type":"connection_init"}"#)).await.unwrap();
    // The acknowledgement is a short frame.
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.unwrap();
    let mut acknowledged = vec![0; usize::from(head[1])];
    stream.read_exact(&mut acknowledged).await.unwrap();
    let payload = serde_json::json!({ "id": "1", "type": "subscribe", "payload": { "query": document } });
    stream.write_all(&frame(&payload.to_string())).await.unwrap();
    stream
}

/// A client's text frame. The mask may be zero.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

async fn listen(mut stream: TcpStream, received: Rc<Results>) {
    let mut buffer = vec![0; 2 << 10];
    let mut filled = 0;
    loop {
        let Ok(read) = stream.read(&mut buffer[filled..]).await else { return };
        if read == 0 {
            return;
        }
        filled += read;
        let mut begin = 0;
        while let Some((start, end, is_ping)) = next_frame(&buffer[begin..filled]) {
            if is_ping {
                let _ = stream.write_all(&frame(r#"{"type":"pong"}"#)).await;
            } else {
                received.note(&buffer[begin + start..begin + end]);
            }
            begin += end;
        }
        buffer.copy_within(begin..filled, 0);
        filled -= begin;
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
    }
}

/// The beginning and end of the first frame's payload, and whether it is a ping.
fn next_frame(bytes: &[u8]) -> Option<(usize, usize, bool)> {
    let (start, length) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        length => (2, usize::from(length)),
    };
    let payload = bytes.get(start..start + length)?;
    Some((start, start + length, bytes[0] != 0x81 || payload.windows(6).any(|window| window == b"\"ping\"")))
}

impl Results {
    fn note(&self, payload: &[u8]) {
        let now = Instant::now();
        if self.first.get().is_none() {
            self.first.set(Some(now));
        }
        self.last.set(Some(now));
        self.results.set(self.results.get() + 1);
        // The time at which it was sent, between two markers.
        let mut parts = payload.split(|byte| *byte == b'@').skip(1);
        if let (Some(asked), Some(_)) = (parts.next(), parts.next()) {
            let asked: u64 = std::str::from_utf8(asked).unwrap().parse().unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
            self.delays_us.borrow_mut().push(u64::try_from(now).unwrap().saturating_sub(asked));
        }
    }
}
