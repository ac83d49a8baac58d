// Runs scenarios and prints a line of JSON behind an '@' for each result. With
// scenarios named it runs them and exits 1 if one fails. Without, it reads
// commands from standard input (run SCENARIO, signal SCENARIO WORD) until its
// end. A scenario fails by throwing.
#pragma once

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    if (c < ' ' || c > '~') {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\u%04x", c);
      out += hex;
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// Prints a line in one piece: the client's own log may go to the same place.
inline void print(const std::string& scenario, const std::string& fields) {
  static std::mutex one;
  std::lock_guard<std::mutex> lock(one);
  std::cout << "@{\"scenario\":" + quoted(scenario) + "," + fields + "}\n" << std::flush;
}

[[noreturn]] inline void fail(const std::string& why) { throw std::runtime_error(why); }

inline std::string text(const std::string& s) { return s; }
inline std::string text(const std::vector<std::string>& all) {
  std::string out;
  for (const auto& s : all) {
    out += s + " ";
  }
  return out;
}
template <typename T>
std::string text(const T& value) { return std::to_string(value); }

template <typename T>
void same(const T& got, const T& want, const std::string& what) {
  if (!(got == want)) {
    fail(what + ": got " + text(got) + ", want " + text(want));
  }
}

/// Fails unless the condition comes true in time.
inline void eventually(seconds limit, const std::string& what, const std::function<bool()>& holds) {
  for (auto end = Clock::now() + limit; Clock::now() < end; std::this_thread::sleep_for(milliseconds(20))) {
    if (holds()) {
      return;
    }
  }
  fail("not in time: " + what);
}

/// The surroundings of one run: names of its own.
struct Case {
  std::string endpoints, name, topic, group;
  bool tls;

  void note(const std::string& figure) const { print(name, "\"note\":" + quoted(figure)); }

  /// Tells the test that something is to be done and waits until it was.
  void ask(const std::string& what) {
    print(name, "\"event\":" + quoted(what));
    std::unique_lock<std::mutex> lock(mutex_);
    if (!changed_.wait_for(lock, seconds(60), [this] { return !signal_.empty(); })) {
      fail("the test did not " + what);
    }
    same(signal_, what, "what the test did");
  }

  void signal(const std::string& word) {
    std::lock_guard<std::mutex> lock(mutex_);
    signal_ = word;
    changed_.notify_all();
  }

private:
  std::mutex mutex_; // guards signal_
  std::condition_variable changed_;
  std::string signal_;
};

using Table = std::map<std::string, std::function<void(Case&)>>;

class Runner {
public:
  Runner(Table table, std::string endpoints, std::string prefix) : table_(std::move(table)), endpoints_(std::move(endpoints)), prefix_(std::move(prefix)) {}

  void start(const std::string& name) {
    auto c = std::make_shared<Case>();
    c->tls = name == "tls";
    c->endpoints = c->tls ? std::getenv("TLS_ENDPOINTS") : endpoints_;
    c->name = name;
    c->topic = prefix_ + "_" + name;
    c->group = "g_" + c->topic;
    running_[name] = c;
    threads_.emplace_back([this, c] { run(*c); }); // all at once: they mostly wait
  }

  /// Runs what standard input says; true if all passed.
  bool serve() {
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream words(line);
      std::string command, name, word;
      words >> command >> name;
      std::getline(words >> std::ws, word);
      if (command == "run") {
        start(name);
      } else if (command == "signal") {
        running_.at(name)->signal(word);
      }
    }
    return wait();
  }

  bool wait() {
    for (auto& t : threads_) {
      t.join();
    }
    return !failed_;
  }

private:
  void run(Case& c) {
    auto begin = Clock::now();
    std::string error;
    try {
      table_.at(c.name)(c);
    } catch (const std::exception& e) {
      error = e.what();
      failed_ = true;
    }
    auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - begin).count();
    print(c.name, "\"done\":true,\"millis\":" + std::to_string(took) + ",\"error\":" + quoted(error));
  }

  Table table_;
  std::string endpoints_, prefix_;
  std::map<std::string, std::shared_ptr<Case>> running_;
  std::vector<std::thread> threads_;
  std::atomic<bool> failed_{false};
};

inline int run(Table table, int argc, char* argv[]) {
  if (argc < 4) {
    std::cerr << "usage: scenarios ENDPOINTS PREFIX NAMESRV [SCENARIO...]\n";
    return 2;
  }
  Runner runner(std::move(table), argv[1], argv[2]);
  for (int i = 4; i < argc; i++) {
    runner.start(argv[i]);
  }
  bool passed = argc == 4 ? runner.serve() : runner.wait();
  _exit(passed ? 0 : 1); // clients leave threads behind
}
