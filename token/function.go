package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// FunctionConfig for NewFunction.
type FunctionConfig struct {
	// URL takes the question as a POST.
	URL string
	// Invoke, where not nil, asks the function in place of URL. failed is what
	// kind of failure the function itself had, "" for none.
	Invoke func(ctx context.Context, question []byte) (answer []byte, failed string, err error)
	// Names says where the answer has its claims.
	Names ClaimNames
	// Cache is how long an answer is remembered for the same token, data store
	// and operation; 0 for not at all, as HealthLake does.
	Cache time.Duration
	// Timeout is how long an answer may take; 0 for one second.
	Timeout time.Duration
	// Calls is how many questions are asked at a time; 0 for DefaultCalls. Half
	// as many may be about tokens that are not known.
	Calls int
	// Client sends the requests; nil for one that follows no redirects.
	Client *http.Client
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// A Function verifies tokens by asking a function that the operator wrote, by
// the contract that HealthLake has for its identity provider Lambda: it is sent
// datastoreEndpoint, operationName and bearerToken, and answers with authPayload
// (the claims) and iamRoleARN, which is kept in Claims.Extra.
type Function struct {
	cfg    FunctionConfig
	remote remote
}

// NewFunction makes a verifier; an error tells what is wrong with the
// configuration.
func NewFunction(cfg FunctionConfig) (*Function, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Second
	}
	f := &Function{cfg: cfg, remote: newRemote(cfg.Client, cfg.Timeout, cfg.Cache, cfg.Calls, cfg.Now)}
	if cfg.Invoke == nil {
		if err := checkOperatorURL(cfg.URL); err != nil {
			return nil, err
		}
		f.cfg.Invoke = f.post
	}
	return f, nil
}

type operationKey struct{}

// WithOperation says which operation a credential is used for, in the words of
// HealthLake ("ReadResource"), for a Function.
func WithOperation(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, operationKey{}, name)
}

// A question is what the function is sent.
type question struct {
	DatastoreEndpoint string `json:"datastoreEndpoint"`
	OperationName     string `json:"operationName"`
	BearerToken       string `json:"bearerToken"`
}

// Verify implements Verifier.
func (f *Function) Verify(ctx context.Context, raw, audience string) (*Claims, error) {
	if err := checkToken(raw); err != nil {
		return nil, err
	}
	operation, _ := ctx.Value(operationKey{}).(string)
	q := question{strings.TrimSuffix(audience, "/") + "/", operation, raw}
	key := cacheKey(q.DatastoreEndpoint, q.OperationName, raw)
	c, err := f.remote.ask(ctx, key, raw, func(ctx context.Context) (*Claims, error) { return f.call(ctx, q) })
	if err != nil {
		return nil, err
	}
	valid := validity{now: f.remote.now(), leeway: Leeway, expiryLeeway: Leeway, audiences: []string{audience}}
	if err := valid.check(c); err != nil {
		return nil, err
	}
	return c, nil
}

func (f *Function) call(ctx context.Context, q question) (*Claims, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	answer, failed, err := f.cfg.Invoke(ctx, body)
	if err != nil {
		return nil, errNoAnswer.because(err)
	}
	if failed != "" {
		// An exception of the function means denial.
		return nil, errorf(InvalidToken, "the function that checks tokens failed").because(errors.New(failed))
	}
	return f.read(answer)
}

// post asks a function by plain HTTP.
func (f *Function) post(ctx context.Context, question []byte) (answer []byte, failed string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.cfg.URL, bytes.NewReader(question))
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	answer, header, err := exchange(f.remote.client, r)
	return answer, header.Get("X-Amz-Function-Error"), err
}

// functionClaims are those that an answer must have, beside isAuthorized.
var functionClaims = []string{"nbf", "exp", "aud", "scope"}

func (f *Function) read(answer []byte) (*Claims, error) {
	var decoded struct {
		AuthPayload map[string]any `json:"authPayload"`
		IAMRoleARN  string         `json:"iamRoleARN"`
	}
	if err := json.Unmarshal(answer, &decoded); err != nil {
		return nil, errorf(InvalidToken, "the function that checks tokens answers with something else").because(err)
	}
	payload := decoded.AuthPayload
	if !isTrue(payload["isAuthorized"]) {
		return nil, errorf(InvalidToken, "the function that checks tokens denies access")
	}
	delete(payload, "isAuthorized")
	required := functionClaims
	if f.cfg.Names.Scope != "" {
		required = []string{"nbf", "exp", "aud", f.cfg.Names.Scope}
	}
	if err := requireClaims(payload, required); err != nil {
		return nil, err
	}
	if payload["sub"] == nil {
		payload["sub"] = payload["uid"]
	}
	c, err := readClaims(payload, f.cfg.Names)
	if err != nil {
		return nil, err
	}
	if decoded.IAMRoleARN != "" {
		if c.Extra == nil {
			c.Extra = map[string]any{}
		}
		c.Extra["iamRoleARN"] = decoded.IAMRoleARN
	}
	return c, nil
}

// isTrue reads isAuthorized, which functions send as a boolean or as a text.
func isTrue(v any) bool {
	text, _ := v.(string)
	return v == true || strings.EqualFold(text, "true")
}

var _ Verifier = (*Function)(nil)
