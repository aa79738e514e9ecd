// Package tuning owns what a process that serves asks of Go's runtime: when
// garbage is collected, how much the heap may take, how many goroutines run at
// a time. What it is for is measured in docs/performance.md. It leaves to
// others what memory is used for.
package tuning
