package lambda_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tarnhealth/tarn/server/lambda"
)

const arn = "arn:aws:lambda:eu-west-1:123456789012:function:check:live"

// TestInvoke calls an endpoint that speaks the Invoke API.
func TestInvoke(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	var fails atomic.Value
	fails.Store("")
	var calls atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		path, _ := url.PathUnescape(r.URL.EscapedPath())
		if r.Method != http.MethodPost || path != "/2015-03-31/functions/"+arn+"/invocations" ||
			!strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/lambda/aws4_request") {
			http.Error(w, "wrong", http.StatusBadRequest)
			return
		}
		switch failure := fails.Load().(string); failure {
		case "":
		case "throttled":
			w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		default:
			w.Header().Set("X-Amz-Function-Error", failure)
		}
		question, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(map[string]string{"asked": string(question)})
	}))
	defer web.Close()
	invoke, err := lambda.Endpoint{URL: web.URL}.Function(context.Background(), arn, "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	answer, failed, err := invoke(context.Background(), []byte("{}"))
	if err != nil || failed != "" || strings.TrimSpace(string(answer)) != `{"asked":"{}"}` {
		t.Errorf("%s, %q, %v", answer, failed, err)
	}
	fails.Store("Unhandled")
	if _, failed, err := invoke(context.Background(), []byte("{}")); failed != "Unhandled" || err != nil {
		t.Errorf("an exception of the function: %q, %v", failed, err)
	}
	fails.Store("throttled")
	calls.Store(0)
	if _, _, err := invoke(context.Background(), []byte("{}")); err == nil || calls.Load() != 1 {
		t.Errorf("a refusal: %v after %d calls", err, calls.Load())
	}
}
