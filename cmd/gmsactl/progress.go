package main

import (
	"fmt"
	"time"
)

// progressEvery is how often progress is shown.
const progressEvery = 200 * time.Millisecond

// progress shows on a terminal how many objects came, until it is erased. total is how many
// will come, 0 where nobody knows: to ask a domain controller costs as much as to read them.
func (a *app) progress(total int) (show func(objects int), erase func()) {
	if !isTerminal(a.stderr) {
		return nil, func() {}
	}
	every := a.progressEvery
	if every == 0 {
		every = progressEvery
	}
	begun := time.Now()
	shown := begun
	show = func(objects int) {
		if now := time.Now(); now.Sub(shown) >= every {
			shown = now
			fmt.Fprintf(a.stderr, "\r%s\x1b[K", progressLine(objects, total, now.Sub(begun)))
		}
	}
	return show, func() {
		if shown != begun {
			fmt.Fprint(a.stderr, "\r\x1b[K")
		}
	}
}

// progressLine says how far it is. What turns out to be more than the total has none.
func progressLine(objects, total int, since time.Duration) string {
	rate := float64(objects) / since.Seconds()
	if total < objects || objects == 0 {
		return fmt.Sprintf("%d objects, %.0f a second", objects, rate)
	}
	left := time.Duration(float64(total-objects) / rate * float64(time.Second))
	return fmt.Sprintf("%d of %d objects, %d%%, %.0f a second, %v left", objects, total, int64(objects)*100/int64(total), rate, left.Round(time.Second))
}
