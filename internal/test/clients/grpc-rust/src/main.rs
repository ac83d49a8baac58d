//! Scenarios with the published Rust client of the gRPC protocol:
//! scenarios ENDPOINTS PREFIX NAMESRV [SCENARIO...]; see frame.rs. The other
//! clients' scenarios have the same names. Topics and groups are there already;
//! the name server is not asked. The client has neither push consumers nor a way
//! to change for how long a message is out of sight.

mod frame;

use std::collections::{HashMap, HashSet};
use std::env;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use frame::{same, Body, Case};
use rocketmq::conf::{ClientOption, ProducerOption, SimpleConsumerOption};
use rocketmq::model::common::{FilterExpression, FilterType};
use rocketmq::model::message::{MessageBuilder, MessageView};
use rocketmq::model::transaction::{Transaction, TransactionChecker, TransactionResolution};
use rocketmq::{Producer, SimpleConsumer};

/// The shortest time that a server takes a message out of sight for.
const INVISIBLE: Duration = Duration::from_secs(10);
/// Longer than a server lets a call wait (20 s), since the client gives the call
/// no more time than that itself.
const AWAIT: Duration = Duration::from_secs(25);

/// Clients are whom the environment names; without that they sign nothing.
fn options(c: &Case) -> ClientOption {
    let mut option = ClientOption::default();
    option.set_access_url(c.endpoints.clone());
    option.set_enable_tls(c.tls);
    option.set_timeout(Duration::from_secs(10));
    option.set_long_polling_timeout(AWAIT);
    if let (Ok(user), Ok(secret)) = (env::var("ROCKETMQ_ACCESS_KEY"), env::var("ROCKETMQ_SECRET_KEY")) {
        option.set_access_key(user);
        option.set_secret_key(secret);
    }
    option
}

fn producer_options(topics: Vec<String>) -> ProducerOption {
    let mut option = ProducerOption::default();
    option.set_topics(topics);
    option
}

async fn producer(c: &Case) -> Producer {
    let mut producer = Producer::new(producer_options(vec![c.topic.clone()]), options(c)).expect("new producer");
    producer.start().await.expect("start producer");
    producer
}

async fn transaction_producer(c: &Case, checker: Box<TransactionChecker>) -> Producer {
    let option = producer_options(vec![c.topic.clone()]);
    let mut producer = Producer::new_transaction_producer(option, options(c), checker).expect("new producer");
    producer.start().await.expect("start producer");
    producer
}

/// A simple consumer with what it selects.
struct Consumer {
    client: SimpleConsumer,
    topic: String,
    filter: FilterExpression,
}

async fn consumer(c: &Case) -> Consumer {
    filtering(c, FilterExpression::new(FilterType::Tag, "*")).await
}

async fn filtering(c: &Case, filter: FilterExpression) -> Consumer {
    let mut option = SimpleConsumerOption::default();
    option.set_topics(vec![c.topic.clone()]);
    option.set_consumer_group(c.group.clone());
    let mut client = SimpleConsumer::new(option, options(c)).expect("new simple consumer");
    client.start().await.expect("start simple consumer");
    Consumer { client, topic: c.topic.clone(), filter }
}

impl Consumer {
    /// What comes in one call; nothing is no failure.
    async fn receive(&self, count: i32) -> Vec<MessageView> {
        let got = self.client.receive_with(&self.topic, &self.filter, count, INVISIBLE).await;
        got.expect("receive")
    }

    /// The next message, which must come in time.
    async fn one(&self) -> MessageView {
        let begin = Instant::now();
        while begin.elapsed() < AWAIT {
            if let Some(m) = self.receive(1).await.pop() {
                return m;
            }
        }
        panic!("no message within {AWAIT:?}");
    }

    async fn ack(&self, m: &MessageView) {
        self.client.ack(m).await.expect("acknowledge");
    }

    /// Receives these bodies, once each, and acknowledges them.
    async fn receive_exactly(&self, want: &[String]) -> Vec<MessageView> {
        let mut all = Vec::new();
        while all.len() < want.len() {
            let some = self.receive(16).await;
            if some.is_empty() {
                break;
            }
            all.extend(some);
        }
        let mut want = want.to_vec();
        want.sort();
        same(bodies_of(&all), want, "received bodies");
        for m in &all {
            self.ack(m).await;
        }
        all
    }
}

fn body_of(m: &MessageView) -> String {
    String::from_utf8_lossy(m.body()).into_owned()
}

fn bodies_of(messages: &[MessageView]) -> Vec<String> {
    let mut bodies: Vec<String> = messages.iter().map(body_of).collect();
    bodies.sort();
    bodies
}

fn message(topic: &str, body: &str) -> MessageBuilder {
    MessageBuilder::builder().set_topic(topic).set_body(body.as_bytes().to_vec())
}

async fn send(p: &Producer, m: MessageBuilder) -> String {
    let sent = p.send(m.build().expect("build")).await.expect("send");
    sent.message_id().to_string()
}

async fn send_receive_ack(c: Case) {
    let p = producer(&c).await;
    let mut ids = HashMap::new();
    for i in 0..10 {
        let body = format!("body-{i}");
        let m = message(&c.topic, &body)
            .set_tag("tag")
            .set_keys(vec![format!("key-{i}"), "all".to_string()])
            .set_properties(HashMap::from([("colour", "green")]));
        ids.insert(body, send(&p, m).await);
    }
    let consumer = consumer(&c).await;
    let want: Vec<String> = ids.keys().cloned().collect();
    for m in consumer.receive_exactly(&want).await {
        let body = body_of(&m);
        same(m.message_id(), ids[&body].as_str(), "id");
        same(m.topic(), c.topic.as_str(), "topic");
        same(m.tag(), Some("tag"), "tag");
        let keys: HashSet<String> = m.keys().iter().cloned().collect();
        same(keys, HashSet::from([body.replace("body", "key"), "all".to_string()]), "keys");
        same(m.properties().get("colour").map(String::as_str), Some("green"), "property");
        same(m.delivery_attempt(), 1, "delivery attempt");
    }
    same(bodies_of(&consumer.receive(16).await), vec![], "what came after it was acknowledged");
}

/// What is not acknowledged comes again, and is set aside after two attempts.
async fn simple_dead_letter(c: Case) {
    let p = producer(&c).await;
    send(&p, message(&c.topic, "poison")).await;
    let consumer = consumer(&c).await;
    for attempt in 1..=2 {
        same(consumer.one().await.delivery_attempt(), attempt, "delivery attempt");
    }
    same(bodies_of(&consumer.receive(1).await), vec![], "what came after the last attempt");
    c.ask("look").await;
}

/// A receive that waits must return as soon as a message is there.
async fn long_poll_wakes(c: Case) {
    let p = producer(&c).await;
    let consumer = Arc::new(consumer(&c).await);
    let mut slowest = Duration::ZERO;
    for i in 0..5 {
        let waiting = tokio::spawn({
            let consumer = consumer.clone();
            async move { consumer.receive(1).await }
        });
        tokio::time::sleep(Duration::from_millis(700)).await; // until it waits
        assert!(!waiting.is_finished(), "did not wait");
        let begin = Instant::now();
        let body = format!("wake-{i}");
        send(&p, message(&c.topic, &body)).await;
        let got = waiting.await.expect("receive");
        slowest = slowest.max(begin.elapsed());
        same(bodies_of(&got), vec![body], "what woke it");
        consumer.ack(&got[0]).await;
    }
    c.note(format!("slowest of 5: {slowest:?}"));
    assert!(slowest < Duration::from_secs(4), "a waiting consumer got its message after {slowest:?}");
}

async fn tag_filter(c: Case) {
    let p = producer(&c).await;
    let mut want = Vec::new();
    for i in 0..16 {
        let tag = ["TagA", "TagB", "TagC", "TagD"][i % 4];
        let body = format!("{tag}-{i}");
        send(&p, message(&c.topic, &body).set_tag(tag)).await;
        if i % 2 == 0 {
            want.push(body);
        }
    }
    let filter = FilterExpression::new(FilterType::Tag, "TagA || TagC");
    filtering(&c, filter).await.receive_exactly(&want).await;
}

async fn sql_filter(c: Case) {
    let p = producer(&c).await;
    let mut want = Vec::new();
    for i in 0..20 {
        let body = format!("number-{i}");
        let colour = ["red", "blue"][i % 2];
        let properties = HashMap::from([("n".to_string(), i.to_string()), ("colour".to_string(), colour.to_string())]);
        send(&p, message(&c.topic, &body).set_properties(properties)).await;
        if i >= 10 && i % 2 == 0 {
            want.push(body);
        }
    }
    let filter = FilterExpression::new(FilterType::Sql, "n >= 10 AND colour = 'red'");
    filtering(&c, filter).await.receive_exactly(&want).await;
}

async fn fifo(c: Case) {
    let p = producer(&c).await;
    let mut want = Vec::new();
    for i in 0..8 {
        for group in ["a", "b", "c"] {
            let body = format!("{group}-{i:04}");
            send(&p, MessageBuilder::fifo_message_builder(&c.topic, body.as_bytes().to_vec(), group)).await;
            want.push(body);
        }
    }
    let consumer = consumer(&c).await;
    let mut got: Vec<String> = Vec::new();
    while got.len() < want.len() {
        let some = consumer.receive(16).await;
        assert!(!some.is_empty(), "only {} of {} came", got.len(), want.len());
        for m in &some {
            same(m.message_group(), Some(&body_of(m)[..1]), "message group");
            consumer.ack(m).await;
            got.push(body_of(m));
        }
    }
    let mut last: HashMap<String, String> = HashMap::new();
    for body in &got {
        if let Some(before) = last.insert(body[..1].to_string(), body.clone()) {
            assert!(before < *body, "{body} came behind {before}");
        }
    }
    got.sort();
    want.sort();
    same(got, want, "received bodies");
}

/// The original counts in seconds and may be one early or some late; this client
/// sends whole seconds.
async fn delay(c: Case) {
    let p = producer(&c).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the time").as_secs() as i64;
    let due = HashMap::from([("after-7", now + 7), ("after-4", now + 4)]);
    for (body, at) in &due {
        send(&p, MessageBuilder::delay_message_builder(&c.topic, body.as_bytes().to_vec(), *at)).await;
    }
    let consumer = consumer(&c).await;
    for _ in 0..due.len() {
        let m = consumer.one().await;
        let came = SystemTime::now().duration_since(UNIX_EPOCH).expect("the time").as_secs_f64();
        let body = body_of(&m);
        let late = came - due[body.as_str()] as f64;
        c.note(format!("{body} came {late:.3} s behind its time"));
        assert!(late > -1.1 && late < 6.0, "{body} came {late} s behind its time");
        consumer.ack(&m).await;
    }
}

fn transaction_message(c: &Case, body: &str) -> MessageBuilder {
    MessageBuilder::transaction_message_builder(&c.topic, body.as_bytes().to_vec())
}

async fn transaction(c: Case) {
    let p = transaction_producer(&c, Box::new(|_, _| TransactionResolution::UNKNOWN)).await;
    let no = p.send_transaction_message(transaction_message(&c, "no").build().expect("build")).await.expect("send");
    let yes = p.send_transaction_message(transaction_message(&c, "yes").build().expect("build")).await.expect("send");
    let id = yes.message_id().to_string();
    no.rollback().await.expect("roll back");
    yes.commit().await.expect("commit");
    let consumer = consumer(&c).await;
    let got = consumer.receive_exactly(&["yes".to_string()]).await;
    same(got[0].message_id(), id.as_str(), "id");
    same(bodies_of(&consumer.receive(16).await), vec![], "what came beside the committed one");
}

/// Transactions that are left open are asked for.
async fn transaction_check(c: Case) {
    let asked = Arc::new(Mutex::new(HashSet::new()));
    let checker = {
        let asked = asked.clone();
        move |_, m: MessageView| {
            let body = body_of(&m);
            let yes = body == "yes";
            asked.lock().expect("asked").insert(body);
            if yes { TransactionResolution::COMMIT } else { TransactionResolution::ROLLBACK }
        }
    };
    let p = transaction_producer(&c, Box::new(checker)).await;
    for body in ["yes", "no"] {
        _ = p.send_transaction_message(transaction_message(&c, body).build().expect("build")).await.expect("send");
    }
    let begin = Instant::now();
    while asked.lock().expect("asked").len() < 2 {
        assert!(begin.elapsed() < Duration::from_secs(40), "was not asked for both");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let consumer = consumer(&c).await;
    consumer.receive_exactly(&["yes".to_string()]).await;
}

/// The client looks at what the route says a topic takes, so the server's own
/// check is not reached.
async fn type_refused(c: Case) {
    let p = producer(&c).await;
    let normal = p.send(message(&c.topic, "normal").build().expect("build")).await;
    assert!(normal.is_err(), "a normal message was accepted");
    let delay = p.send(message(&format!("{}_DELAY", c.topic), "normal").build().expect("build")).await;
    assert!(delay.is_err(), "a message without a time was accepted");
    send(&p, message(&format!("{}_NORMAL", c.topic), "normal")).await;
    send(&p, MessageBuilder::fifo_message_builder(&c.topic, b"ordered".to_vec(), "a")).await;
}

async fn missing_topic(c: Case) {
    let mut p = Producer::new(producer_options(vec![format!("{}_NORMAL", c.topic)]), options(&c)).expect("new producer");
    p.start().await.expect("start producer");
    let refused = p.send(message(&c.topic, "x").build().expect("build")).await;
    let error = format!("{:?}", refused.err().expect("was accepted"));
    assert!(error.contains("TOPIC_NOT_FOUND"), "{error}, want TOPIC_NOT_FOUND");
}

#[tokio::main]
async fn main() {
    let mut table: HashMap<&'static str, Body> = HashMap::new();
    table.insert("send_receive_ack", |c| Box::pin(send_receive_ack(c)));
    table.insert("tls", |c| Box::pin(send_receive_ack(c)));
    table.insert("simple_dead_letter", |c| Box::pin(simple_dead_letter(c)));
    table.insert("long_poll_wakes", |c| Box::pin(long_poll_wakes(c)));
    table.insert("tag_filter", |c| Box::pin(tag_filter(c)));
    table.insert("sql_filter", |c| Box::pin(sql_filter(c)));
    table.insert("fifo", |c| Box::pin(fifo(c)));
    table.insert("delay", |c| Box::pin(delay(c)));
    table.insert("transaction", |c| Box::pin(transaction(c)));
    table.insert("transaction_check", |c| Box::pin(transaction_check(c)));
    table.insert("type_refused", |c| Box::pin(type_refused(c)));
    table.insert("missing_topic", |c| Box::pin(missing_topic(c)));
    std::process::exit(frame::main(table, env::args().skip(1).collect()).await);
}
