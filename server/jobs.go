package server

import (
	"context"
	"log/slog"
	"runtime"

	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/rest"
)

// jobs is the work that goes on beside the requests.
type jobs struct {
	queue *job.Queue
	stop  context.CancelFunc
	ended chan struct{}
}

func newJobs(records kv.DB, log *slog.Logger) *jobs {
	return &jobs{queue: job.New(job.Options{DB: records, Logger: log}), stop: func() {}}
}

// start runs jobs until close. Every handler must be known by then.
func (j *jobs) start() {
	ctx, stop := context.WithCancel(context.Background())
	j.stop, j.ended = stop, make(chan struct{})
	go func() {
		defer close(j.ended)
		j.queue.Run(ctx, max(2, runtime.GOMAXPROCS(0)/2))
	}()
}

// close gives back what is not done, for the next start.
func (j *jobs) close() {
	j.stop()
	if j.ended != nil {
		<-j.ended
	}
}

// async lets requests be answered later, with the access that they had.
func (j *jobs) async(g *guard) *rest.Async {
	return &rest.Async{Jobs: j.queue, Keep: g.keep, Restore: g.restore}
}
