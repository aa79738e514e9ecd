package bulk

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/fhir"
)

// sendFile sends one of the server's own files, or ranges of it.
// https://www.rfc-editor.org/rfc/rfc9110#section-14
func (s *Service) sendFile(w http.ResponseWriter, c *Call, key, media string) error {
	// A download may take longer than other requests.
	ctx := context.WithoutCancel(c.Request.Context())
	info, err := s.opt.Files.Stat(ctx, key)
	if errors.Is(err, blob.ErrNotFound) {
		return fhir.Errorf(fhir.KindGone, "the file was removed")
	}
	if err != nil {
		return err
	}
	from := &seeker{ctx: ctx, files: s.opt.Files, key: key, size: info.Size, progress: c.Progress}
	defer from.drop()
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "no-store")
	if info.ETag != "" {
		w.Header().Set("ETag", `"`+info.ETag+`"`)
	}
	if err := binary.Serve(w, c.Request, info.Modified, from); err != nil {
		return err
	}
	return from.failed
}

// A seeker reads a blob from wherever it is sought.
type seeker struct {
	ctx      context.Context
	files    blob.Bucket
	key      string
	size, at int64
	open     io.ReadCloser
	progress func()
	// sent counts bytes since progress was told.
	sent   int
	failed error
}

func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, errors.New("bulk: sought before the beginning")
	}
	if offset != s.at {
		s.drop()
	}
	s.at = offset
	return offset, nil
}

func (s *seeker) Read(p []byte) (n int, err error) {
	if s.at >= s.size {
		return 0, io.EOF
	}
	if s.open == nil {
		if s.open, err = s.files.Open(s.ctx, s.key, s.at, -1); err != nil {
			s.failed = err
			return 0, err
		}
	}
	n, err = s.open.Read(p)
	s.at += int64(n)
	if s.sent += n; s.sent > 1<<20 && s.progress != nil {
		s.sent = 0
		s.progress()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed = err
	}
	return n, err
}

func (s *seeker) drop() {
	if s.open != nil {
		_ = s.open.Close()
		s.open = nil
	}
}
