// Scenarios with the C++ client of the gRPC protocol:
// scenarios ENDPOINTS PREFIX NAMESRV [SCENARIO...]; see frame.hpp. The other
// clients' scenarios have the same names. Topics and groups are there already;
// the name server is not asked. The client believes any certificate.

#include "frame.hpp"

#include <algorithm>
#include <set>

#include "rocketmq/ErrorCode.h"
#include "rocketmq/Logger.h"
#include "rocketmq/Message.h"
#include "rocketmq/Producer.h"
#include "rocketmq/PushConsumer.h"
#include "rocketmq/SimpleConsumer.h"

namespace rmq = ROCKETMQ_NAMESPACE;

using Strings = std::vector<std::string>;
using Wall = std::chrono::system_clock;

/// The shortest time that a server takes a message out of sight for.
constexpr milliseconds kInvisible(10000);
/// Longer than that.
constexpr milliseconds kAwait(14000);

static rmq::Configuration configuration(const Case& c) {
  auto b = rmq::Configuration::newBuilder();
  b.withEndpoints(c.endpoints).withRequestTimeout(seconds(10)).withSsl(c.tls);
  const char* user = std::getenv("ROCKETMQ_ACCESS_KEY"); // whom the clients are; unset, they sign nothing
  if (user != nullptr) {
    b.withCredentialsProvider(std::make_shared<rmq::StaticCredentialsProvider>(user, std::getenv("ROCKETMQ_SECRET_KEY")));
  }
  return b.build();
}

static rmq::Producer producer(const Case& c, rmq::TransactionChecker checker = nullptr) {
  auto b = rmq::Producer::newBuilder();
  b.withConfiguration(configuration(c)).withTopics({c.topic});
  if (checker) {
    b.withTransactionChecker(checker);
  }
  return b.build();
}

static rmq::SimpleConsumer simple(const Case& c, rmq::FilterExpression filter = {"*"}) {
  return rmq::SimpleConsumer::newBuilder().withGroup(c.group).withConfiguration(configuration(c)).subscribe(c.topic, filter).withAwaitDuration(kAwait).build();
}

static rmq::PushConsumer push(const Case& c, rmq::MessageListener listener) {
  return rmq::PushConsumer::newBuilder().withGroup(c.group).withConfiguration(configuration(c)).withConsumeThreads(4).withListener(std::move(listener)).subscribe(c.topic, {"*"}).build();
}

static void check(const std::error_code& ec, const std::string& doing) {
  if (ec) {
    fail(doing + ": " + ec.message());
  }
}

static rmq::SendReceipt send(rmq::Producer& p, rmq::MessageBuilder& m) {
  std::error_code ec;
  auto receipt = p.send(m.build(), ec);
  check(ec, "send");
  return receipt;
}

static rmq::MessageBuilder message(const Case& c, const std::string& body) {
  auto b = rmq::Message::newBuilder();
  b.withTopic(c.topic).withBody(body);
  return b;
}

static std::string numbered(const std::string& label, int i) {
  char digits[8];
  std::snprintf(digits, sizeof digits, "-%04d", i);
  return label + digits;
}

static void sendMany(rmq::Producer& p, const Case& c, const std::string& label, int count, Strings& bodies) {
  for (int i = 0; i < count; i++) {
    bodies.push_back(numbered(label, i));
    auto m = message(c, bodies.back());
    send(p, m);
  }
}

static Strings sorted(Strings all) {
  std::sort(all.begin(), all.end());
  return all;
}

/// What a push consumer has received, in order. It outlives the scenario, since its consumer may.
class Inbox {
public:
  rmq::ConsumeResult take(const rmq::Message& m) {
    std::lock_guard<std::mutex> lock(mutex_);
    bodies_.push_back(m.body());
    ids_.push_back(m.id());
    groups_.push_back(m.group());
    attempts_.push_back(std::to_string(m.extension().delivery_attempt));
    return rmq::ConsumeResult::SUCCESS;
  }

  Strings bodies() const { return copy(bodies_); }
  Strings ids() const { return copy(ids_); }
  Strings groups() const { return copy(groups_); }
  Strings attempts() const { return copy(attempts_); }

  /// Waits for these bodies, and a little for one too many.
  void awaitExactly(seconds limit, const Strings& want) const {
    eventually(limit, "these come: " + text(want), [&] { return bodies().size() >= want.size(); });
    std::this_thread::sleep_for(milliseconds(500));
    same(sorted(bodies()), sorted(want), "received bodies");
  }

private:
  Strings copy(const Strings& what) const {
    std::lock_guard<std::mutex> lock(mutex_);
    return what;
  }

  mutable std::mutex mutex_; // guards the rest
  Strings bodies_, ids_, groups_, attempts_;
};

using Messages = std::vector<rmq::MessageConstSharedPtr>;

/// What comes in one call; nothing is no failure.
static Messages receive(rmq::SimpleConsumer& consumer, std::size_t count) {
  std::error_code ec;
  Messages all;
  consumer.receive(count, kInvisible, ec, all);
  if (ec != rmq::ErrorCode::NoContent) {
    check(ec, "receive");
  }
  return all;
}

static void ack(rmq::SimpleConsumer& consumer, const rmq::Message& m) {
  std::error_code ec;
  consumer.ack(m, ec);
  check(ec, "acknowledge");
}

/// The next message, which must come in time.
static rmq::MessageConstSharedPtr one(rmq::SimpleConsumer& consumer) {
  Messages got;
  eventually(seconds(30), "a message comes", [&] {
    got = receive(consumer, 1);
    return !got.empty();
  });
  return got[0];
}

static void nothing(rmq::SimpleConsumer& consumer, const std::string& what) {
  Strings got;
  for (const auto& m : receive(consumer, 16)) {
    got.push_back(m->body());
  }
  same(got, {}, what);
}

/// Receives these bodies, once each, and acknowledges them.
static Messages receiveExactly(rmq::SimpleConsumer& consumer, const Strings& want) {
  Messages all;
  Strings bodies;
  for (auto end = Clock::now() + seconds(60); all.size() < want.size() && Clock::now() < end;) {
    for (const auto& m : receive(consumer, 16)) {
      ack(consumer, *m);
      all.push_back(m);
      bodies.push_back(m->body());
    }
  }
  same(sorted(bodies), sorted(want), "received bodies");
  return all;
}

static void sendReceiveAck(Case& c) {
  auto p = producer(c);
  std::map<std::string, std::string> ids;
  Strings bodies;
  for (int i = 0; i < 10; i++) {
    auto m = message(c, numbered("body", i));
    m.withTag("tag").withKeys({"key-" + std::to_string(i), "all"}).withProperties({{"colour", "green"}});
    bodies.push_back(numbered("body", i));
    ids[bodies.back()] = send(p, m).message_id;
  }
  auto consumer = simple(c);
  for (const auto& m : receiveExactly(consumer, bodies)) {
    same(m->id(), ids[m->body()], "id of " + m->body());
    same(m->topic(), c.topic, "topic");
    same(m->tag(), std::string("tag"), "tag");
    same(m->keys().size(), std::size_t(2), "keys");
    same(m->properties().at("colour"), std::string("green"), "property");
    same(int(m->extension().delivery_attempt), 1, "delivery attempt");
  }
  nothing(consumer, "what came after it was acknowledged");
}

/// Out of sight for shorter and for longer.
static void changeInvisible(Case& c) {
  auto p = producer(c);
  auto m = message(c, "again");
  send(p, m);
  auto consumer = simple(c);
  auto first = one(consumer);
  auto begin = Clock::now();
  auto hide = [&](const rmq::Message& what, milliseconds time) {
    std::error_code ec;
    std::string receipt = what.extension().receipt_handle;
    consumer.changeInvisibleDuration(what, receipt, time, ec);
    check(ec, "change invisible duration");
  };
  hide(*first, milliseconds(1000));
  auto again = one(consumer);
  c.note("hidden for 1 s, again after " + text(std::chrono::duration_cast<milliseconds>(Clock::now() - begin).count()) + " ms");
  same(again->id(), first->id(), "id");
  same(int(again->extension().delivery_attempt), 2, "second delivery attempt");
  hide(*again, milliseconds(40000));
  nothing(consumer, "what came while it was out of sight");
}

static void tagFilter(Case& c) {
  auto p = producer(c);
  Strings want;
  for (int i = 0; i < 16; i++) {
    std::string tag = std::string("Tag") + "ABCD"[i % 4], body = numbered(tag, i);
    auto m = message(c, body);
    m.withTag(tag);
    send(p, m);
    if (i % 2 == 0) {
      want.push_back(body);
    }
  }
  auto consumer = simple(c, {"TagA || TagC"});
  receiveExactly(consumer, want);
}

static void sqlFilter(Case& c) {
  auto p = producer(c);
  Strings want;
  for (int i = 0; i < 20; i++) {
    auto m = message(c, numbered("number", i));
    m.withProperties({{"n", std::to_string(i)}, {"colour", i % 2 == 0 ? "red" : "blue"}});
    send(p, m);
    if (i >= 10 && i % 2 == 0) {
      want.push_back(numbered("number", i));
    }
  }
  auto consumer = simple(c, {"n >= 10 AND colour = 'red'", rmq::ExpressionType::SQL92});
  receiveExactly(consumer, want);
}

/// The highest first, whatever was sent first.
static void priority(Case& c) {
  auto p = producer(c);
  for (int i = 0; i < 4; i++) {
    auto m = message(c, numbered("priority", i));
    m.withPriority(i);
    send(p, m);
  }
  std::this_thread::sleep_for(milliseconds(500)); // the original shows a message to readers a moment after it has acknowledged it
  auto consumer = simple(c);
  for (int i = 3; i >= 0; i--) {
    auto m = one(consumer);
    same(m->body(), numbered("priority", i), "what comes next");
    ack(consumer, *m);
  }
}

static void pushed(Case& c) {
  auto p = producer(c);
  Strings bodies;
  sendMany(p, c, "early", 10, bodies);
  auto in = std::make_shared<Inbox>();
  auto consumer = push(c, [in](const rmq::Message& m) { return in->take(m); });
  sendMany(p, c, "late", 10, bodies);
  in->awaitExactly(seconds(30), bodies);
  consumer.shutdown();
}

static void fifo(Case& c) {
  auto p = producer(c);
  Strings bodies;
  for (int i = 0; i < 8; i++) {
    for (const char* group : {"a", "b", "c"}) {
      bodies.push_back(numbered(group, i));
      auto m = message(c, bodies.back());
      m.withGroup(group);
      send(p, m);
    }
  }
  auto in = std::make_shared<Inbox>();
  auto consumer = push(c, [in](const rmq::Message& m) { return in->take(m); });
  in->awaitExactly(seconds(60), bodies);
  consumer.shutdown();
  std::map<char, std::string> last;
  Strings got = in->bodies(), groups = in->groups();
  for (std::size_t i = 0; i < got.size(); i++) {
    same(groups[i], got[i].substr(0, 1), "message group");
    if (got[i] <= last[got[i][0]]) {
      fail(got[i] + " came behind " + last[got[i][0]]);
    }
    last[got[i][0]] = got[i];
  }
}

static void retryToDeadLetter(Case& c) {
  auto p = producer(c);
  auto m = message(c, "poison");
  send(p, m);
  auto bad = std::make_shared<Inbox>();
  auto consumer = push(c, [bad](const rmq::Message& m) {
    bad->take(m);
    return rmq::ConsumeResult::FAILURE;
  });
  eventually(seconds(60), "three attempts", [&] { return bad->bodies().size() >= 3; });
  c.ask("look");
  same(bad->attempts(), {"1", "2", "3"}, "delivery attempts");
  consumer.shutdown();
}

/// The original counts in seconds and may be one early or some late.
static void delay(Case& c) {
  auto p = producer(c);
  auto now = Wall::now();
  std::map<std::string, Wall::time_point> due{{"after-3", now + seconds(3)}, {"after-6", now + seconds(6)}};
  for (const auto& d : due) {
    auto m = message(c, d.first);
    m.availableAfter(d.second);
    send(p, m);
  }
  auto consumer = simple(c);
  for (const char* body : {"after-3", "after-6"}) {
    auto m = one(consumer);
    auto late = std::chrono::duration_cast<milliseconds>(Wall::now() - due[body]);
    same(m->body(), std::string(body), "what comes next");
    c.note(std::string(body) + " came " + text(late.count()) + " ms behind its time");
    if (late < milliseconds(-1100) || late > seconds(6)) {
      fail(std::string(body) + " came " + text(late.count()) + " ms behind its time");
    }
    ack(consumer, *m);
  }
}

static void delayRecall(Case& c) {
  auto p = producer(c);
  auto at = Wall::now() + seconds(6);
  auto m = message(c, "recalled");
  m.availableAfter(at);
  auto recalled = send(p, m);
  auto k = message(c, "kept");
  k.availableAfter(at + seconds(1));
  auto kept = send(p, k);
  std::error_code ec;
  p.recall(c.topic, recalled.recall_handle, ec);
  check(ec, "recall");
  auto consumer = simple(c);
  same(one(consumer)->body(), std::string("kept"), "what comes");
  p.recall(c.topic, kept.recall_handle, ec);
  if (!ec) {
    fail("what was delivered could be recalled");
  }
}

static std::string sendIn(rmq::Producer& p, rmq::Transaction& t, Case& c, const std::string& body) {
  std::error_code ec;
  auto receipt = p.send(message(c, body).build(), ec, t);
  check(ec, "send");
  return receipt.message_id;
}

static void transaction(Case& c) {
  auto p = producer(c, [](const rmq::Message&) { return rmq::TransactionState::ROLLBACK; });
  auto in = std::make_shared<Inbox>();
  auto consumer = push(c, [in](const rmq::Message& m) { return in->take(m); });
  auto yes = p.beginTransaction(), no = p.beginTransaction();
  auto id = sendIn(p, *yes, c, "yes");
  sendIn(p, *no, c, "no");
  same(yes->commit(), true, "commit");
  same(no->rollback(), true, "roll back");
  in->awaitExactly(seconds(30), {"yes"});
  same(in->ids()[0], id, "id");
  consumer.shutdown();
}

/// Transactions that are left open are asked for.
static void transactionCheck(Case& c) {
  auto asked = std::make_shared<Inbox>();
  auto p = producer(c, [asked](const rmq::Message& m) {
    asked->take(m);
    return m.body() == "yes" ? rmq::TransactionState::COMMIT : rmq::TransactionState::ROLLBACK;
  });
  auto in = std::make_shared<Inbox>();
  auto consumer = push(c, [in](const rmq::Message& m) { return in->take(m); });
  std::vector<std::unique_ptr<rmq::Transaction>> open;
  for (const char* body : {"yes", "no"}) {
    open.push_back(p.beginTransaction());
    sendIn(p, *open.back(), c, body);
  }
  eventually(seconds(40), "both are asked for", [&] {
    auto bodies = asked->bodies();
    return std::set<std::string>(bodies.begin(), bodies.end()).size() == 2;
  });
  in->awaitExactly(seconds(20), {"yes"});
  consumer.shutdown();
}

static void missingTopic(Case& c) {
  auto p = rmq::Producer::newBuilder().withConfiguration(configuration(c)).withTopics({c.topic + "_NORMAL"}).build();
  std::error_code ec;
  p.send(message(c, "x").build(), ec);
  if (!ec) {
    fail("was accepted");
  }
  c.note("refused: " + ec.message());
}

int main(int argc, char* argv[]) {
  auto& log = rmq::getLogger();
  log.setLevel(rmq::Level::Error);
  log.setConsoleLevel(rmq::Level::Error);
  log.init();
  return run({
                 {"send_receive_ack", sendReceiveAck},
                 {"change_invisible", changeInvisible},
                 {"tag_filter", tagFilter},
                 {"sql_filter", sqlFilter},
                 {"priority", priority},
                 {"push", pushed},
                 {"tls", pushed},
                 {"fifo", fifo},
                 {"retry_to_dead_letter", retryToDeadLetter},
                 {"delay", delay},
                 {"delay_recall", delayRecall},
                 {"transaction", transaction},
                 {"transaction_check", transactionCheck},
                 {"missing_topic", missingTopic},
             },
             argc, argv);
}
