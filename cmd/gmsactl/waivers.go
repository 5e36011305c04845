package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/waiver"
)

// readWaivers reads the file of --waivers; nil where none is named.
func readWaivers(path string) (*audit.Waivers, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--waivers: %w", err)
	}
	list, err := waiver.Parse(path, text)
	if err != nil {
		return nil, err
	}
	return &audit.Waivers{List: list, Now: time.Now()}, nil
}

// waived judges as before, and takes out what need not pass.
func waived(again judge, waivers *audit.Waivers) judge {
	return func(ctx context.Context, result *plan.Result) (*audit.Report, error) {
		r, err := again(ctx, result)
		if err == nil {
			r.Waive(waivers)
		}
		return r, err
	}
}
