#include "services/agent_hub/capacity_book.h"

#include <map>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"

namespace switchyard::agent_hub {
namespace {

using ::switchyard::testing::FakeUuid;

class CapacityBookTest : public ::testing::Test {
 protected:
  static AgentId Agent(std::uint64_t n) { return AgentId(FakeUuid(absl::UnixEpoch(), n)); }
  void Offer(const AgentId& agent, std::int64_t epoch = 1) {
    auto offer = std::make_shared<AgentOffer>();
    offer->id = agent;
    offer->session_epoch = epoch;
    book_.Offer(std::move(offer));
  }

  // What a scheduler knows.
  struct View {
    std::map<AgentId, std::uint32_t> handles;
    std::map<std::uint32_t, std::int64_t> limits;
    std::int64_t sequence = 0;
    bool complete = false;
  };
  void Read(WatchId watch, View& view, std::size_t limit = 2) {
    while (book_.HasNews(watch)) {
      const CapacityNews news = book_.Take(watch, limit);
      EXPECT_EQ(news.sequence, ++view.sequence);
      for (const AgentId& gone : news.gone) {
        view.limits.erase(view.handles[gone]);
        view.handles.erase(gone);
      }
      for (const OfferedAgent& offered : news.agents) {
        view.handles[offered.offer->id] = offered.handle;
        view.limits[offered.handle] = offered.credit_limit;
      }
      for (const auto& [handle, at] : news.credits) view.limits[handle] = at;
      view.complete = view.complete || news.snapshot_complete;
    }
  }

  CapacityBook book_;
};

TEST_F(CapacityBookTest, ASnapshotComesFirstAndSaysWhenItIsComplete) {
  for (std::uint64_t i = 1; i <= 5; ++i) {
    Offer(Agent(i));
    book_.SetFree(Agent(i), static_cast<int>(i));
  }
  const WatchId watch = book_.Open();
  View view;
  Read(watch, view);
  EXPECT_TRUE(view.complete);
  EXPECT_EQ(view.handles.size(), 5u);
  EXPECT_EQ(view.limits[view.handles[Agent(4)]], 4);
}

TEST_F(CapacityBookTest, ANewSessionBeginsAnew) {
  Offer(Agent(1));
  book_.SetFree(Agent(1), 3);
  const WatchId watch = book_.Open();
  View view;
  Read(watch, view);
  book_.Use(watch, Agent(1));
  Offer(Agent(1), 2);
  book_.SetFree(Agent(1), 1);
  Read(watch, view);
  EXPECT_EQ(view.limits[view.handles[Agent(1)]], 1);
}

TEST_F(CapacityBookTest, UnusedCreditsMoveToWhoeverHasNone) {
  Offer(Agent(1));
  const WatchId first = book_.Open();
  const WatchId second = book_.Open();
  book_.SetFree(Agent(1), 1);
  View one;
  View two;
  const auto held = [&] {
    Read(first, one);
    Read(second, two);
    return std::make_pair(one.limits[one.handles[Agent(1)]], two.limits[two.handles[Agent(1)]]);
  };
  const auto before = held();
  book_.Turn();
  book_.Turn();
  const auto after = held();
  EXPECT_EQ(before.first + before.second, 1);
  EXPECT_EQ(after.first + after.second, 1);
  book_.Turn();
  const auto later = held();
  EXPECT_NE(after, later);
}

// Whatever happens, readers together never hold more than what is free, and all of it once they have read.
TEST_F(CapacityBookTest, WalkedAtRandomCreditsAreNeitherLostNorDoubled) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    book_ = CapacityBook();
    const AgentId agent = Agent(1);
    Offer(agent);
    int slots = 4;
    int busy = 0;
    book_.SetFree(agent, slots);
    std::map<WatchId, View> views;
    std::map<WatchId, std::int64_t> used;
    for (int step = 0; step < 300; ++step) {
      switch (rng->Below(6)) {
        case 0:
          if (views.size() < 3) views[book_.Open()];
          break;
        case 1:
          if (views.size() > 1) {
            book_.Close(views.begin()->first);
            used.erase(views.begin()->first);
            views.erase(views.begin());
          }
          break;
        case 2:
          slots = static_cast<int>(rng->Below(6));
          book_.SetFree(agent, slots - busy);
          break;
        case 3:
          if (busy > 0) --busy;
          book_.SetFree(agent, slots - busy);
          break;
        case 4:
          for (auto& [watch, view] : views) {
            Read(watch, view);
            if (view.limits[view.handles[agent]] <= used[watch]) continue;
            ++used[watch];
            ++busy;
            book_.Use(watch, agent);
            book_.SetFree(agent, slots - busy);
          }
          break;
        default:
          book_.Turn();
      }
      if (views.empty()) continue;
      std::int64_t held = 0;
      for (auto& [watch, view] : views) {
        Read(watch, view);
        held += std::max<std::int64_t>(view.limits[view.handles[agent]] - used[watch], 0);
      }
      ASSERT_EQ(held, std::max(slots - busy, 0)) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace switchyard::agent_hub
