// Package awskms owns data keys that are wrapped by a customer's key in AWS KMS,
// or in a service that speaks its API.
//
// It leaves to others: where wrapped keys are kept (crypt/keyring).
// https://docs.aws.amazon.com/kms/latest/APIReference/Welcome.html
package awskms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/tarnhealth/tarn/crypt/keyring"
)

// Config says where the service is. Credentials come from where AWS's tools
// take them: the environment, files, or the machine's role.
type Config struct {
	// Region is "" for the environment's.
	Region string
	// Endpoint is the URL of a compatible service; "" for AWS.
	Endpoint string
	// Timeout bounds one call; 0 is 10 seconds.
	Timeout time.Duration
}

// A Service wraps keys. Safe for concurrent use.
type Service struct {
	client  *kms.Client
	timeout time.Duration
}

// New makes a Service. It calls nobody yet.
func New(ctx context.Context, cfg Config) (*Service, error) {
	var options []func(*config.LoadOptions) error
	if cfg.Region != "" {
		options = append(options, config.WithRegion(cfg.Region))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("awskms: the configuration of AWS cannot be read: %w", err)
	}
	if loaded.Region == "" {
		loaded.Region = "us-east-1"
	}
	client := kms.NewFromConfig(loaded, func(o *kms.Options) {
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
		}
	})
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	return &Service{client, cfg.Timeout}, nil
}

// Provider wraps with a key: its id, its ARN, or the name or ARN of an alias.
func (s *Service) Provider(keyID string) keyring.Provider { return &provider{s, keyID} }

type provider struct {
	*Service
	keyID string
}

// Name is that of the key, as the customer wrote it: an alias may come to stand
// for another key, and the wrapped bytes tell the service which it was.
func (p *provider) Name() string { return "kms:" + p.keyID }

// purposes are the encryption context, which the service logs and demands.
func purposes(purpose string) map[string]string { return map[string]string{"tarn": purpose} }

func (p *provider) Wrap(ctx context.Context, key []byte, purpose string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	out, err := p.client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(p.keyID), Plaintext: key, EncryptionContext: purposes(purpose)})
	if err != nil {
		return nil, p.explain(err)
	}
	return out.CiphertextBlob, nil
}

func (p *provider) Unwrap(ctx context.Context, wrapped []byte, purpose string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	// Without KeyId: the wrapped bytes name the key, also after an alias was
	// moved to another one.
	out, err := p.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: wrapped, EncryptionContext: purposes(purpose)})
	if err != nil {
		return nil, p.explain(err)
	}
	return out.Plaintext, nil
}

// refusals are the error codes of a key that may not be used.
var refusals = map[string]string{
	"DisabledException":            "it is disabled",
	"KMSInvalidStateException":     "its state does not allow it: it may be disabled or about to be deleted",
	"NotFoundException":            "there is no such key",
	"AccessDeniedException":        "this server is not allowed to use it",
	"InvalidKeyUsageException":     "it is not a key for encryption",
	"IncorrectKeyException":        "the data keys were wrapped with another key",
	"InvalidCiphertextException":   "the wrapped data key was altered",
	"InvalidArnException":          "its ARN is not valid",
	"UnrecognizedClientException":  "the server's credentials are not known",
	"InvalidSignatureException":    "the server's credentials are wrong",
	"ExpiredTokenException":        "the server's credentials have expired",
	"MissingAuthenticationToken":   "the server has no credentials",
	"InvalidClientTokenId":         "the server's credentials are not known",
	"IncompleteSignatureException": "the server's credentials are wrong",
}

// explain tells a key that may not be used from a service that is away.
func (p *provider) explain(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		if why, refused := refusals[api.ErrorCode()]; refused {
			return fmt.Errorf("%w: %s: %s: %w", keyring.ErrDisabled, p.keyID, why, err)
		}
	}
	return fmt.Errorf("%w: %s: %w", keyring.ErrUnreachable, p.keyID, err)
}
