//go:build !race

package plan

const rounds = 27
