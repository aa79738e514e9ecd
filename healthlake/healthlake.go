package healthlake

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/sigv4"
)

// Config for New. Stores, Bulk, Authenticate and BaseURL are required.
type Config struct {
	Stores *datastore.Catalog
	// Bulk runs jobs, and fills new data stores.
	Bulk *bulk.Service
	// Profiles knows the default profiles of data stores; where it is nil,
	// ProfileConfiguration is refused.
	Profiles Profiles
	// PreloadPatients is how many synthetic patients a preloaded data store has;
	// 0 is 1,000.
	PreloadPatients int
	// Authenticate returns the access key that signed a request; see
	// sigv4.Verifier.Verify.
	Authenticate func(*http.Request) (sigv4.Key, error)
	// BaseURL is the server's own, such as "https://fhir.example.org".
	BaseURL string
	// Region and Account (12 digits) are parts of ARNs; "" for us-east-1 and
	// 000000000000.
	Region, Account string
	// Roles are roles beside sigv4.RoleAdmin and sigv4.RoleReadOnly. It is asked at
	// each request; nil has none. They have to pass CheckRoles.
	Roles  func() map[string]Role
	Quotas Quotas
	// Function is the URL that stands for the ARN of a token-check function; ok
	// is false for one that the operator did not name. nil knows none.
	Function func(arn string) (url string, ok bool)
	// Record, if not nil, is told of every request that was authenticated or
	// refused, before it is answered. Its error fails the request.
	Record func(context.Context, Event) error
	// Address is the network address of a request's client; nil for the peer's.
	Address func(*http.Request) string
	// Logger is nil for slog.Default.
	Logger *slog.Logger
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// An Event is one request to the control API, for the audit log.
type Event struct {
	// RequestID is told to the caller in X-Amzn-Requestid.
	RequestID string
	// KeyID and Role are the access key's; "" where the request was refused
	// before it was known.
	KeyID, Role string
	// Operation is "CreateFHIRDatastore" …, DataStore the id of what it was
	// about, "" where it was about none.
	Operation, DataStore string
	// Changes is set for operations that change something.
	Changes bool
	// Remote is the address of the client.
	Remote string
	// Code is that of the error, "" for success; Status the HTTP status.
	Code   string
	Status int
}

// A Handler is the control API. It answers POST /.
type Handler struct {
	cfg  Config
	pace pace
}

var (
	validRegion  = regexp.MustCompile(`^[a-zA-Z0-9-]{1,64}$`)
	validAccount = regexp.MustCompile(`^[0-9]{12}$`)
)

// New makes the control API.
func New(cfg Config) (*Handler, error) {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.PreloadPatients == 0 {
		cfg.PreloadPatients = 1000
	}
	if cfg.Account == "" {
		cfg.Account = "000000000000"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Address == nil {
		cfg.Address = func(r *http.Request) string { return r.RemoteAddr }
	}
	switch {
	case cfg.Stores == nil || cfg.Bulk == nil || cfg.Authenticate == nil || cfg.BaseURL == "":
		return nil, errors.New("healthlake: data stores, jobs, authentication and a base URL are needed")
	case !validRegion.MatchString(cfg.Region):
		return nil, fmt.Errorf("healthlake: the region %q must be letters, digits and '-'", cfg.Region)
	case !validAccount.MatchString(cfg.Account):
		return nil, fmt.Errorf("healthlake: the account %q must be 12 digits", cfg.Account)
	}
	if cfg.Roles == nil {
		cfg.Roles = func() map[string]Role { return nil }
	}
	if err := CheckRoles(cfg.Roles()); err != nil {
		return nil, fmt.Errorf("healthlake: %w", err)
	}
	return &Handler{cfg: cfg, pace: newPace(cfg.Quotas, cfg.Now)}, nil
}

// operations are all that the API has, and whether they change something.
var operations = map[string]bool{
	"CreateFHIRDatastore":   true,
	"DescribeFHIRDatastore": false,
	"ListFHIRDatastores":    false,
	"UpdateFHIRDatastore":   true,
	"DeleteFHIRDatastore":   true,
	"RestoreFHIRDatastore":  true,
	"TagResource":           true,
	"UntagResource":         true,
	"ListTagsForResource":   false,
	"StartFHIRImportJob":    true,
	"DescribeFHIRImportJob": false,
	"ListFHIRImportJobs":    false,
	"StartFHIRExportJob":    true,
	"DescribeFHIRExportJob": false,
	"ListFHIRExportJobs":    false,
	"CancelFHIRImportJob":   true,
	"CancelFHIRExportJob":   true,
}

// offered are the operations that this server has.
var offered = map[string]func(*call) (any, error){
	"CreateFHIRDatastore":   (*call).create,
	"DescribeFHIRDatastore": (*call).describe,
	"ListFHIRDatastores":    (*call).list,
	"UpdateFHIRDatastore":   (*call).update,
	"DeleteFHIRDatastore":   (*call).remove,
	"TagResource":           (*call).tag,
	"UntagResource":         (*call).untag,
	"ListTagsForResource":   (*call).listTags,
	"RestoreFHIRDatastore":  (*call).restore,
	"StartFHIRImportJob":    (*call).startImport,
	"DescribeFHIRImportJob": (*call).describeImport,
	"ListFHIRImportJobs":    (*call).listImports,
	"StartFHIRExportJob":    (*call).startExport,
	"DescribeFHIRExportJob": (*call).describeExport,
	"ListFHIRExportJobs":    (*call).listExports,
	"CancelFHIRImportJob":   (*call).cancelImport,
	"CancelFHIRExportJob":   (*call).cancelExport,
}

// Changes reports whether a request asks for an operation that changes
// something, which a signature is good for once: see sigv4.Config.
func Changes(r *http.Request) bool {
	changes, known := operations[strings.TrimPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)]
	return !known || changes
}

// A call is one request while it is answered.
type call struct {
	h         *Handler
	ctx       context.Context
	key       sigv4.Key
	in        *input
	operation string
	// role is what the key's role allows, once allow was asked.
	role Role
	// store is the id of the data store that it is about.
	store string
	// defaults are the default profiles of a new data store.
	defaults []string
}

const (
	targetPrefix = "HealthLake."
	// maxBody is the greatest body, in bytes.
	maxBody = 1 << 20
)

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{h: h, ctx: r.Context()}
	id := newRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	w.Header().Set("Cache-Control", "no-store")
	result, err := h.answer(c, r)
	status, code := http.StatusOK, ""
	var told *apiError
	if err != nil {
		told = explain(err, id)
	}
	if told != nil {
		status, code = told.status, told.code
		h.log(told, err, id, c.operation)
	}
	if err := h.record(c, r, Event{RequestID: id, Status: status, Code: code}); err != nil {
		h.cfg.Logger.Error("the audit log took no record of a request to the control API", "id", id, "error", err)
		told = explain(err, id)
	}
	if told != nil {
		told.write(w)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	if err := json.NewEncoder(w).Encode(result); err != nil {
		h.cfg.Logger.Warn("an answer of the control API was cut off", "id", id, "error", err)
	}
}

func (h *Handler) log(told *apiError, err error, id, operation string) {
	if told.status >= http.StatusInternalServerError {
		h.cfg.Logger.Error("a request to the control API failed", "id", id, "operation", operation, "error", err)
	}
}

func (h *Handler) record(c *call, r *http.Request, e Event) error {
	if h.cfg.Record == nil {
		return nil
	}
	e.KeyID, e.Role, e.Operation, e.DataStore, e.Remote = c.key.ID, c.key.Role, c.operation, c.store, h.cfg.Address(r)
	e.Changes = operations[c.operation]
	return h.cfg.Record(context.WithoutCancel(c.ctx), e)
}

func (h *Handler) answer(c *call, r *http.Request) (result any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	name, err := target(r)
	if err != nil {
		return nil, err
	}
	if c.key, err = h.cfg.Authenticate(r); err != nil {
		return nil, err
	}
	changes, known := operations[name]
	if !known {
		return nil, failed(codeUnknown, "The operation %.100q is not known.", name)
	}
	c.operation = name
	if err := h.pace.take(c.key.ID, changes); err != nil {
		return nil, err
	}
	if c.in, err = readInput(r); err != nil {
		return nil, err
	}
	return offered[name](c)
}

// target is the name of the operation that a request asks for.
func target(r *http.Request) (string, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		return "", failed(codeUnknown, "The control API is at POST /.")
	}
	targets := r.Header.Values("X-Amz-Target")
	if len(targets) != 1 {
		return "", failed(codeUnknown, "The request must have one header X-Amz-Target; it has %d.", len(targets))
	}
	name, ok := strings.CutPrefix(targets[0], targetPrefix)
	if !ok {
		return "", failed(codeUnknown, "X-Amz-Target must be %sOPERATION; it is %.100q.", targetPrefix, targets[0])
	}
	return name, nil
}

func readInput(r *http.Request) (*input, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != mediaType {
		return nil, failed(codeSerialization, "The Content-Type must be %s; it is %.100q.", mediaType, r.Header.Get("Content-Type"))
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, failed(codeSerialization, "The body must not be encoded; its Content-Encoding is %.100q.", encoding)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, failed(codeSerialization, "The body could not be read to its end.")
	}
	if len(body) > maxBody {
		return nil, failed(codeTooLarge, "The body has more than %d bytes.", maxBody)
	}
	object, err := readObject(body)
	if err != nil {
		return nil, err
	}
	return newInput(object), nil
}

// newRequestID makes a random UUID.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
