package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/spf13/cobra"
)

// controlFlags say which server's control API is asked, and as whom.
type controlFlags struct {
	at, store string
	json      bool
}

// controlHelp is what commands over the control API have in common.
const controlHelp = `

The request goes to the server's control API, signed with the access key in the
variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (see tarn key); a server
with --auth none wants none.`

func (f *controlFlags) add(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.at, serverFlag, "http://127.0.0.1:8080", "base URL of the server")
	formerly(cmd, "at")
	flags.StringVar(&f.store, "datastore", "default", "id of the data store")
	flags.BoolVar(&f.json, "json", false, "print JSON")
}

// call sends one request and reads the answer into to.
func (f *controlFlags) call(ctx context.Context, operation string, in, to any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(f.at, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("--server: %w", err)
	}
	r.Header.Set("X-Amz-Target", "HealthLake."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	key := aws.Credentials{
		AccessKeyID: cmp.Or(os.Getenv("AWS_ACCESS_KEY_ID"), "none"), SecretAccessKey: cmp.Or(os.Getenv("AWS_SECRET_ACCESS_KEY"), "none"),
		SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}
	sum := sha256.Sum256(body)
	region := cmp.Or(os.Getenv("AWS_REGION"), "us-east-1")
	if err := v4.NewSigner().SignHTTP(ctx, key, r, hex.EncodeToString(sum[:]), "healthlake", region, time.Now()); err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		var told struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if json.Unmarshal(text, &told) != nil || told.Type == "" {
			return fmt.Errorf("%s answers %s", f.at, answer.Status)
		}
		return fmt.Errorf("%s: %s", told.Type, told.Message)
	}
	if raw, ok := to.(*json.RawMessage); ok {
		*raw = text
		return nil
	}
	return json.Unmarshal(text, to)
}
