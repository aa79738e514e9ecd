// Package endtoend tests the tarn binary from outside, as a user has it:
// loading real populations, finding what was loaded, and surviving being
// killed.
//
// It leaves to others: the behaviour of single packages.
package endtoend
