package login

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// A limitRecord counts failed attempts, of an account or from a network
// address.
type limitRecord struct {
	Failures int       `json:"failures"`
	Last     time.Time `json:"last"`
}

var limitTable = kv.NewTable[limitRecord]("login_limit")

// A limitRule says how long to wait after how many failures: free ones cost
// nothing, then each doubles the wait, from first to most. After the last one
// there is no more trying.
type limitRule struct {
	free        int
	first, most time.Duration
	last        int
	forget      time.Duration // after so long without failures
}

// An account gets 100 attempts in a row, as NIST SP 800-63B section 3.2.2 has
// it; then an administrator must unlock it. Networks get more at first, as
// many people may share one.
var (
	accountRule = limitRule{free: 5, first: 30 * time.Second, most: time.Hour, last: 100, forget: 30 * 24 * time.Hour}
	networkRule = limitRule{free: 30, first: 30 * time.Second, most: 15 * time.Minute, forget: 24 * time.Hour}
)

// never is how long to wait where an administrator must unlock the account.
const never = 24 * time.Hour

func (l limitRule) wait(n limitRecord, now time.Time) time.Duration {
	if l.last > 0 && n.Failures >= l.last {
		return never
	}
	over := n.Failures - l.free
	if over < 0 {
		return 0
	}
	wait := l.most
	if over < 20 {
		wait = min(l.most, l.first<<over)
	}
	return max(0, n.Last.Add(wait).Sub(now))
}

func accountKey(userID string) string { return "user " + userID }

func (d *Directory) sum(purpose, text string) string {
	mac := hmac.New(sha256.New, d.digest)
	mac.Write([]byte(purpose + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// unknownKey counts for a name that no user has, just as for one that some
// user has. The name is not kept: it may be a password typed in the wrong
// field.
func (d *Directory) unknownKey(name string) string {
	return "name " + d.sum("name", foldOr(name))
}

func (d *Directory) networkKey(address string) string {
	return "network " + d.sum("network", network(address))
}

// An attempt is one that was counted as failed before it was tried, so that
// many at once are not more than one after another.
type attempt struct {
	d       *Directory
	account string
	network string
	// when the failures before it were
	accountLast, networkLast time.Time
}

// errWait is for an attempt that comes too early.
type errWait struct {
	left   time.Duration
	locked bool // this failure, or one before, was the last that was allowed
}

func (e *errWait) Error() string { return "login: too many failed attempts" }

// begin counts an attempt on an account, or fails with *errWait.
func (d *Directory) begin(ctx context.Context, account, address string) (*attempt, error) {
	a := &attempt{d: d, account: account, network: d.networkKey(address)}
	err := d.db.Update(ctx, func(tx kv.Tx) error {
		var err error
		if a.accountLast, err = d.count(tx, a.account, accountRule); err != nil {
			return err
		}
		a.networkLast, err = d.count(tx, a.network, networkRule)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// count adds a failure to a counter whose wait is over, and returns when the
// one before was.
func (d *Directory) count(tx kv.Tx, key string, rule limitRule) (time.Time, error) {
	n, err := limitTable.Get(tx, key)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return n.Last, err
	}
	now := d.now().UTC()
	if wait := rule.wait(n, now); wait > 0 {
		return n.Last, &errWait{left: wait, locked: strings.HasPrefix(key, "user ")}
	}
	return n.Last, limitTable.Put(tx, key, limitRecord{Failures: n.Failures + 1, Last: now}, now.Add(rule.forget))
}

// right takes back the count of an attempt that was right. The account's other
// failures stay until the whole sign-in is done: whoever knows the password
// must not get more tries at the second factor by it.
func (a *attempt) right(ctx context.Context) error {
	return a.d.db.Update(ctx, func(tx kv.Tx) error {
		return errors.Join(a.takeBack(tx, a.account, accountRule, a.accountLast), a.takeBack(tx, a.network, networkRule, a.networkLast))
	})
}

func (a *attempt) takeBack(tx kv.Tx, key string, rule limitRule, last time.Time) error {
	n, err := limitTable.Get(tx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	n.Failures--
	if n.Failures <= 0 {
		return limitTable.Delete(tx, key)
	}
	n.Last = last
	return limitTable.Put(tx, key, n, a.d.now().Add(rule.forget))
}
