package plan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestMoved(t *testing.T) {
	const one, two = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
	tests := []struct {
		name     string
		was, now *Server
		want     string
	}{
		{"the same, later", &Server{Host: "dc1.corp.example", InvocationID: one, USN: 5}, &Server{Host: "DC1.corp.example", InvocationID: one, USN: 9}, ""},
		{"the same, at once", &Server{Host: "dc1.corp.example", InvocationID: one, USN: 5}, &Server{Host: "dc1.corp.example", InvocationID: one, USN: 5}, ""},
		{"another one", &Server{Host: "dc1.corp.example", InvocationID: one}, &Server{Host: "dc2.corp.example", InvocationID: two}, "made from dc1.corp.example and goes to dc2.corp.example"},
		{"restored", &Server{Host: "dc1.corp.example", InvocationID: one, USN: 5}, &Server{Host: "dc1.corp.example", InvocationID: two, USN: 9}, "has been restored"},
		{"set back", &Server{Host: "dc1.corp.example", InvocationID: one, USN: 5}, &Server{Host: "dc1.corp.example", InvocationID: one, USN: 4}, "has gone back since, from change 5 to 4"},
		{"not shown then", &Server{Host: "dc1.corp.example"}, &Server{Host: "dc1.corp.example", InvocationID: two, USN: 4}, ""},
		{"not shown now", &Server{Host: "dc1.corp.example", InvocationID: one, USN: 5}, &Server{Host: "dc1.corp.example"}, ""},
		{"a file of an earlier version", nil, &Server{Host: "dc1.corp.example"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(tt.was.moved(tt.now), "\n")
			if !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFilesOfEarlierVersions(t *testing.T) {
	domain := Domain{DNS: "corp.example", DC: "dc1.corp.example"}
	p := &Plan{Format: format, Kind: kindPlan, Domain: domain, Policies: []Policy{}, Changes: []Change{}}
	b := &Backup{Format: format, Kind: kindBackup, Domain: domain, Changes: []Change{}}
	for _, server := range []*Server{nil, {Host: "dc2.corp.example", NTDS: "CN=NTDS Settings", InvocationID: "x", USN: 3}} {
		want := "dc1.corp.example"
		if p.Server, b.Server = server, server; server != nil {
			want = server.Host
		}
		var text bytes.Buffer
		if err := p.Write(&text); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text.Bytes(), []byte(`"server"`)) != (server != nil) {
			t.Errorf("the plan is %s", text.Bytes())
		}
		if got, err := Read(&text); err != nil || got.Pinned() != want {
			t.Errorf("the plan is pinned to %v, %v, want %s", got, err, want)
		}
		backup, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ReadBackup(bytes.NewReader(backup)); err != nil || got.Pinned() != want {
			t.Errorf("the backup is pinned to %v, %v, want %s", got, err, want)
		}
	}
}
