#include "libs/rpc/caching_authenticator.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <list>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"

namespace switchyard::rpc {
namespace {

// Streams that share a token are rechecked by one question.
constexpr absl::Duration kAnew = absl::Seconds(1);

using Digest = std::array<std::uint8_t, 32>;

absl::Status IdentityUnavailable() {
  return MakeError(
      absl::StatusCode::kUnavailable, "the token cannot be verified right now",
      {.reason = "IDENTITY_UNAVAILABLE", .metadata = {}, .violations = {}, .retry_after = absl::Milliseconds(200)});
}

}  // namespace

class CachingAuthenticator::State final : public std::enable_shared_from_this<State> {
 public:
  State(Authenticator& backend, const Clock& clock, AuthenticationCacheOptions options)
      : backend_(backend), clock_(clock), options_(options) {}

  std::shared_ptr<const Principal> Cached(std::string_view token) {
    const Digest digest = Sha256(token);
    const absl::Time now = clock_.Now();
    std::shared_ptr<const Principal> principal;
    bool refresh = false;
    {
      MutexLock lock(mutex_);
      const Entry* entry = Find(digest, now);
      if (entry == nullptr || !entry->result.ok()) return nullptr;
      principal = *entry->result;
      if (now >= entry->asked + options_.refresh_after && waiting_.find(digest) == waiting_.end()) {
        waiting_[digest];
        refresh = true;
      }
    }
    if (refresh) Ask(token, digest, now);
    return principal;
  }

  // Entries that were asked for before `since` do not count.
  void Authenticate(std::string_view token, Answer answer, absl::Time since) {
    const Digest digest = Sha256(token);
    const absl::Time now = clock_.Now();
    Result result = IdentityUnavailable();
    bool known = true;
    bool ask = false;
    {
      MutexLock lock(mutex_);
      if (const Entry* entry = Find(digest, now); entry != nullptr && entry->asked >= since) {
        result = entry->result;
      } else if (waiting_count_ < options_.max_waiting) {
        known = false;
        ++waiting_count_;
        auto [at, first] = waiting_.try_emplace(digest);
        at->second.push_back(std::move(answer));
        ask = first;
      }
    }
    if (known) return answer(std::move(result));
    if (ask) Ask(token, digest, now);
  }

  absl::Time Now() const { return clock_.Now(); }

  void Clear() {
    MutexLock lock(mutex_);
    index_.clear();
    entries_.clear();
    ++cleared_;
  }

  std::size_t size() const {
    MutexLock lock(mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    Digest digest;
    Result result;
    absl::Time asked;
    absl::Time until;
  };

  void Ask(std::string_view token, const Digest& digest, absl::Time asked) {
    std::uint64_t cleared = 0;
    {
      MutexLock lock(mutex_);
      cleared = cleared_;
    }
    backend_.Authenticate(token, [self = shared_from_this(), digest, asked, cleared](Result result) {
      self->Learn(digest, asked, cleared, std::move(result));
    });
  }

  void Learn(const Digest& digest, absl::Time asked, std::uint64_t cleared, Result result) {
    const bool refused = result.status().code() == absl::StatusCode::kUnauthenticated;
    if (result.ok() && *result == nullptr) result = IdentityUnavailable();
    if (!result.ok() && !refused) result = IdentityUnavailable();
    std::vector<Answer> answers;
    {
      MutexLock lock(mutex_);
      // A refresh that finds the backend away leaves the old answer to its own end.
      if ((result.ok() || refused) && cleared == cleared_) Store(digest, asked, result);
      if (const auto found = waiting_.find(digest); found != waiting_.end()) {
        answers = std::move(found->second);
        waiting_.erase(found);
        waiting_count_ -= answers.size();
      }
    }
    for (const Answer& answer : answers) answer(result);
  }

  const Entry* Find(const Digest& digest, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = index_.find(digest);
    if (found == index_.end()) return nullptr;
    const auto entry = found->second;
    if (now >= entry->until) {
      entries_.erase(entry);
      index_.erase(found);
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, entry);
    return &*entry;
  }

  void Store(const Digest& digest, absl::Time asked, const Result& result) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::Time until =
        result.ok() ? std::min(asked + options_.ttl, (*result)->expire_time) : asked + options_.refusal_ttl;
    if (const auto found = index_.find(digest); found != index_.end()) {
      *found->second = Entry{digest, result, asked, until};
      return;
    }
    entries_.push_front({digest, result, asked, until});
    index_.emplace(digest, entries_.begin());
    if (entries_.size() > options_.max_entries) {
      index_.erase(entries_.back().digest);
      entries_.pop_back();
    }
  }

  Authenticator& backend_;
  const Clock& clock_;
  const AuthenticationCacheOptions options_;
  mutable Mutex mutex_;
  // Most recently used first.
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Digest, std::list<Entry>::iterator> index_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Digest, std::vector<Answer>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::size_t waiting_count_ ABSL_GUARDED_BY(mutex_) = 0;
  // An answer that was asked for before a Clear() must not come back into the cache.
  std::uint64_t cleared_ ABSL_GUARDED_BY(mutex_) = 0;
};

CachingAuthenticator::CachingAuthenticator(Authenticator& backend, const Clock& clock,
                                           AuthenticationCacheOptions options)
    : state_(std::make_shared<State>(backend, clock, options)) {}
CachingAuthenticator::~CachingAuthenticator() = default;

std::shared_ptr<const Principal> CachingAuthenticator::Cached(std::string_view token) { return state_->Cached(token); }
void CachingAuthenticator::Authenticate(std::string_view token, Answer answer) {
  state_->Authenticate(token, std::move(answer), absl::InfinitePast());
}
void CachingAuthenticator::AuthenticateAnew(std::string_view token, Answer answer) {
  state_->Authenticate(token, std::move(answer), state_->Now() - kAnew);
}
void CachingAuthenticator::Clear() { state_->Clear(); }
std::size_t CachingAuthenticator::size() const { return state_->size(); }

}  // namespace switchyard::rpc
