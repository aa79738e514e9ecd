// Package check holds the rules of the repository as tests: who may import
// whom, package documentation, size budgets, paths named in the docs, and
// words that have no place in it.
//
// It leaves to others: formatting and static analysis, which the go command's
// own tools do.
package check
