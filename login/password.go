package login

import (
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"
)

// Cost is what hashing a password with argon2id takes (RFC 9106).
type Cost struct {
	Time    uint32 // passes
	Memory  uint32 // KiB
	Threads uint8
}

// standardCost is the second recommended option of RFC 9106 section 4.
var standardCost = Cost{Time: 3, Memory: 64 << 10, Threads: 4}

const (
	saltSize = 16
	hashSize = 32
	// minPassword and maxPassword are in characters. NIST SP 800-63B section
	// 3.1.1.2 asks for 8 at least and takes 64 and more.
	minPassword = 12
	maxPassword = 256
)

// A hasher hashes passwords, a few at a time: each takes Cost.Memory.
type hasher struct {
	cost  Cost
	turn  chan struct{}
	dummy string
	runs  atomic.Int64 // hashes made so far
}

func newHasher(cost Cost) (*hasher, error) {
	if cost == (Cost{}) {
		cost = standardCost
	}
	if cost.Time == 0 || cost.Threads == 0 || cost.Memory < 8*uint32(cost.Threads) || cost.Memory > 4<<20 {
		return nil, errors.New("login: the cost of hashing needs passes, threads, and 8 KiB to 4 GiB of memory for each thread")
	}
	h := &hasher{cost: cost, turn: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))}
	h.dummy = h.encode(make([]byte, saltSize), make([]byte, hashSize))
	return h, nil
}

// prepare makes passwords that look the same equal (RFC 8265 section 4.2).
func prepare(password string) string {
	if p, err := precis.OpaqueString.String(password); err == nil {
		return p
	}
	return password
}

// hash makes the PHC string of a password, with a fresh salt.
func (h *hasher) hash(password string) string {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt)
	return h.encode(salt, h.key(password, salt, h.cost))
}

func (h *hasher) key(password string, salt []byte, c Cost) []byte {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	h.runs.Add(1)
	return argon2.IDKey([]byte(prepare(password)), salt, c.Time, c.Memory, c.Threads, hashSize)
}

func (h *hasher) encode(salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.cost.Memory, h.cost.Time, h.cost.Threads, b64(salt), b64(key))
}

// verify reports whether a password is the hashed one, and whether it should
// be hashed again at another cost. hash may be "": no password is right, and
// it takes as long as for one that is wrong.
func (h *hasher) verify(hash, password string) (ok, again bool) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	var c Cost
	var version int
	var rest string
	if _, err := fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &c.Memory, &c.Time, &c.Threads, &rest); err != nil || version != argon2.Version {
		return false, false
	}
	saltText, keyText, _ := strings.Cut(rest, "$")
	salt, err1 := base64.RawStdEncoding.DecodeString(saltText)
	want, err2 := base64.RawStdEncoding.DecodeString(keyText)
	if err1 != nil || err2 != nil || c.Time == 0 || c.Threads == 0 {
		return false, false
	}
	same := subtle.ConstantTimeCompare(h.key(password, salt, c), want) == 1
	return same && known, same && known && c != h.cost
}

//go:embed common.txt
var commonText string

var common = func() map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(commonText) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			set[line] = true
		}
	}
	return set
}()

// checkPassword refuses passwords by NIST SP 800-63B section 3.1.1.2: too
// short, common, or made of the user's own name. There are no rules about
// kinds of characters.
func checkPassword(password string, u *User) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password) || strings.ContainsFunc(password, isControl):
		return wrong("password", "password.characters")
	case n < minPassword:
		return wrong("password", "password.short", minPassword)
	case n > maxPassword:
		return wrong("password", "password.long", maxPassword)
	case isCommon(password):
		return wrong("password", "password.common")
	case isOfName(password, u):
		return wrong("password", "password.name")
	}
	return nil
}

// checkPassword also wants as many characters as the directory asks for.
func (d *Directory) checkPassword(password string, u *User) error {
	if utf8.ValidString(password) && utf8.RuneCountInString(password) < d.least {
		return wrong("password", "password.short", d.least)
	}
	return checkPassword(password, u)
}

// isCommon reports whether a password is one of the first that are tried: a
// word of the list, with or without digits and signs at the end; a short piece
// again and again; or a walk along the keys.
func isCommon(password string) bool {
	folded := strings.ToLower(prepare(password))
	trimmed := strings.TrimRight(folded, "0123456789!.?*-_#$@")
	for _, p := range []string{folded, trimmed, strings.Map(leet, folded), strings.Map(leet, trimmed)} {
		if common[p] || len(p) >= 8 && (isRepeated(p) || isWalk(p)) {
			return true
		}
	}
	return false
}

// leet undoes the usual swaps of letters.
func leet(r rune) rune {
	if i := strings.IndexRune("@$0134578", r); i >= 0 {
		return rune("asoieastb"[i])
	}
	return r
}

// isRepeated reports whether text is one piece of at most half its length
// again and again.
func isRepeated(text string) bool {
	for size := 1; size <= len(text)/2 && size <= 8; size++ {
		if strings.HasPrefix(strings.Repeat(text[:size], len(text)/size+1), text) {
			return true
		}
	}
	return false
}

// walks are rows of keys and alphabets, both ways.
var walks = []string{
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", "12345678901234567890", "01234567890123456789",
	"qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "1q2w3e4r5t6y7u8i9o0p", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "zaq12wsxcde34rfvbgt56yhnmju7",
}

func isWalk(text string) bool {
	for _, w := range walks {
		if strings.Contains(w, text) || strings.Contains(reversed(w), text) {
			return true
		}
	}
	return false
}

func reversed(text string) string {
	b := []byte(text)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// isOfName reports whether a password is the user's name with little more.
func isOfName(password string, u *User) bool {
	folded := strings.ToLower(password)
	local, _, _ := strings.Cut(u.Email, "@")
	for _, name := range append(strings.Fields(u.Name), u.Username, u.Email, local, u.Name, strings.ReplaceAll(u.Name, " ", "")) {
		name = strings.ToLower(name)
		if utf8.RuneCountInString(name) < 4 {
			continue
		}
		if rest := strings.ReplaceAll(folded, name, ""); rest != folded && utf8.RuneCountInString(rest) < 8 {
			return true
		}
	}
	return false
}

// temporaryAlphabet has no letters that are taken for others: 32 of them, 5
// bits each.
const temporaryAlphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// temporaryPassword makes one of 20 letters (100 bits), in groups.
func temporaryPassword() string { return grouped(20, 5) }

func grouped(size, group int) string {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	var text strings.Builder
	for i, x := range b {
		if i > 0 && i%group == 0 {
			text.WriteByte('-')
		}
		text.WriteByte(temporaryAlphabet[int(x)%len(temporaryAlphabet)])
	}
	return text.String()
}
