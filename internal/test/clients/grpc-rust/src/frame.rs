//! Runs scenarios and prints a line of JSON behind an '@' for each result. With
//! scenarios named it runs them and exits 1 if one fails. Without, it reads
//! commands from standard input (run SCENARIO, signal SCENARIO WORD) until its
//! end. A scenario fails by panicking.

use std::any::Any;
use std::collections::HashMap;
use std::env;
use std::fmt::Debug;
use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{mpsc, Mutex};
use tokio::task::JoinSet;

/// For how long a scenario may run.
const LIMIT: Duration = Duration::from_secs(90);

pub type Body = fn(Case) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// The surroundings of one run: names of its own.
#[derive(Clone)]
pub struct Case {
    pub endpoints: String,
    pub tls: bool,
    pub name: String,
    pub topic: String,
    pub group: String,
    signals: Arc<Mutex<mpsc::Receiver<String>>>,
}

impl Case {
    pub fn note(&self, text: String) {
        print(json!({"scenario": self.name, "note": text}));
    }

    /// Tells the test that something is to be done and waits until it was.
    pub async fn ask(&self, what: &str) {
        print(json!({"scenario": self.name, "event": what}));
        let mut signals = self.signals.lock().await;
        let got = tokio::time::timeout(Duration::from_secs(60), signals.recv()).await;
        same(got.ok().flatten(), Some(what.to_string()), "what the test did");
    }
}

/// Prints a line in one piece, and on a line of its own although the client's log
/// goes to the same place bit by bit.
fn print(line: Value) {
    let text = format!("\n@{line}\n");
    std::io::stdout().lock().write_all(text.as_bytes()).expect("write to standard output");
}

#[track_caller]
pub fn same<T: PartialEq + Debug>(got: T, want: T, what: &str) {
    assert!(got == want, "{what}: got {got:?}, want {want:?}");
}

struct Runner {
    table: HashMap<&'static str, Body>,
    endpoints: String,
    prefix: String,
    running: HashMap<String, mpsc::Sender<String>>,
    tasks: JoinSet<bool>,
}

impl Runner {
    fn start(&mut self, name: &str) {
        let topic = format!("{}_{}", self.prefix, name);
        let (to, signals) = mpsc::channel(1);
        let tls = name == "tls";
        let case = Case {
            endpoints: if tls { env::var("TLS_ENDPOINTS").expect("TLS_ENDPOINTS") } else { self.endpoints.clone() },
            tls,
            name: name.to_string(),
            group: format!("g_{topic}"),
            topic,
            signals: Arc::new(Mutex::new(signals)),
        };
        self.running.insert(name.to_string(), to);
        self.tasks.spawn(run(self.table.get(name).copied(), case));
    }

    async fn tell(&mut self, line: &str) {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words[..] {
            ["run", name] => self.start(name),
            // A scenario that does not wait any more has failed already.
            ["signal", name, word] => _ = self.running[name].send(word.to_string()).await,
            _ => {}
        }
    }
}

async fn run(body: Option<Body>, case: Case) -> bool {
    let begin = Instant::now();
    let name = case.name.clone();
    let error = match body {
        None => "no such scenario".to_string(),
        Some(body) => match tokio::time::timeout(LIMIT, tokio::spawn(body(case))).await {
            Ok(Ok(())) => String::new(),
            Ok(Err(e)) => text_of(e.into_panic()),
            Err(_) => format!("no end after {LIMIT:?}"),
        },
    };
    let millis = begin.elapsed().as_millis() as u64;
    print(json!({"scenario": name, "done": true, "millis": millis, "error": error}));
    error.is_empty()
}

fn text_of(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other.downcast_ref::<&str>().unwrap_or(&"panic").to_string(),
    }
}

pub async fn main(table: HashMap<&'static str, Body>, args: Vec<String>) -> i32 {
    if args.len() < 3 {
        eprintln!("usage: scenarios ENDPOINTS PREFIX NAMESRV [SCENARIO...]; scenarios: {:?}", table.keys());
        return 2;
    }
    let mut runner = Runner {
        table,
        endpoints: args[0].clone(),
        prefix: args[1].clone(),
        running: HashMap::new(),
        tasks: JoinSet::new(),
    };
    for name in &args[3..] {
        runner.start(name);
    }
    if args.len() == 3 {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            runner.tell(&line).await;
        }
    }
    let passed = runner.tasks.join_all().await.into_iter().all(|passed| passed);
    i32::from(!passed)
}
