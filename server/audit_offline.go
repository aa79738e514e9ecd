package server

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/server/vault"
)

// An AuditCheck says which audit log to verify, and against what.
type AuditCheck struct {
	// Data is the data folder, and MasterKey as in Config.
	Data, MasterKey string
	// PublicKey, in base64, is what checkpoints are to be signed with; "" for
	// what the master key gives.
	PublicKey string
	// Archive is the archive; nil for none. See AuditVault.
	Archive audit.Vault
	// Checkpoints are files with checkpoints that were kept elsewhere: copies
	// of HEAD.
	Checkpoints []string
}

// Verify verifies the audit log. A server may be running.
func (c AuditCheck) Verify() (audit.Verification, error) {
	key, err := c.key()
	if err != nil {
		return audit.Verification{}, err
	}
	var kept []audit.Checkpoint
	for _, name := range c.Checkpoints {
		text, err := os.ReadFile(name)
		if err != nil {
			return audit.Verification{}, err
		}
		var one audit.Checkpoint
		if err := json.Unmarshal(text, &one); err != nil {
			return audit.Verification{}, fmt.Errorf("%s holds no checkpoint: %w", name, err)
		}
		if !one.Check(key) {
			return audit.Verification{}, fmt.Errorf("%s holds a checkpoint that the server's key has not signed", name)
		}
		kept = append(kept, one)
	}
	files, err := AuditFolder(c.Data, c.MasterKey, c.Archive)
	if err != nil && c.PublicKey == "" {
		return audit.Verification{}, err
	}
	return files.Verify([]ed25519.PublicKey{key}, kept...)
}

// AuditFolder is the audit log of a data folder, and its archive where that is
// not nil, with the keys of its records where they are sealed. With an error it
// lacks them. masterKey is as in Config.
func AuditFolder(data, masterKey string, archive audit.Vault) (audit.Folder, error) {
	files := audit.Folder{Dir: AuditDir(data), Vault: archive}
	v, err := vault.Open(context.Background(), vault.Config{Dir: data, MasterKey: masterKey})
	if err == nil {
		files.Keys, err = v.AuditKeys(context.Background())
	}
	return files, keyRefusal(&Config{MasterKey: masterKey}, data, err)
}

// AuditDir is the folder of the audit log in a data folder.
func AuditDir(data string) string { return filepath.Join(data, auditName) }

// key is the public key. No master key is made where there is none.
func (c AuditCheck) key() (ed25519.PublicKey, error) {
	if c.PublicKey != "" {
		key, err := base64.StdEncoding.DecodeString(c.PublicKey)
		if err != nil || len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("the public key is not %d bytes in base64", ed25519.PublicKeySize)
		}
		return key, nil
	}
	if err := hasMasterKey(c.MasterKey, c.Data); err != nil {
		return nil, fmt.Errorf("there is no master key, which the log is signed by; name its file with --master-key-file, or give the public key with --key: %w", err)
	}
	key, err := auditKey(&Config{MasterKey: c.MasterKey}, c.Data)
	if err != nil {
		return nil, err
	}
	return key.Public().(ed25519.PublicKey), nil
}
