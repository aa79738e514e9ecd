// Package lambda owns calling a token-check function that lives in AWS Lambda,
// or behind an endpoint that speaks its Invoke API.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
//
// It leaves to others: what is asked, and what the answer means (token).
package lambda

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// An Endpoint is where functions are called. The zero value is AWS's own, with
// the credentials of the environment: variables, shared files, or the role of
// the machine.
type Endpoint struct {
	// URL is the endpoint; "" for AWS's of the function's region.
	URL string
	// Client sends the requests; nil for the SDK's.
	Client *http.Client
}

// openTime bounds looking for credentials, which may ask other servers.
const openTime = 10 * time.Second

// Function returns what calls a function, for token.FunctionConfig.Invoke. arn
// names it, region is where it is. An attempt is made once: who asks about a
// token waits for a second.
func (e Endpoint) Function(ctx context.Context, arn, region string) (func(ctx context.Context, question []byte) (answer []byte, failed string, err error), error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithRetryMaxAttempts(1))
	if err != nil {
		return nil, fmt.Errorf("lambda: the credentials for %s: %w", arn, err)
	}
	client := lambda.NewFromConfig(cfg, func(o *lambda.Options) {
		if e.URL != "" {
			o.BaseEndpoint = aws.String(e.URL)
		}
		if e.Client != nil {
			o.HTTPClient = e.Client
		}
	})
	return func(ctx context.Context, question []byte) (answer []byte, failed string, err error) {
		out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(arn), Payload: question})
		if err != nil {
			return nil, "", fmt.Errorf("lambda: %w", err)
		}
		return out.Payload, aws.ToString(out.FunctionError), nil
	}, nil
}
