// Package endpoints looks from this network at what a provisioning agent talks to: names, ports,
// TLS, certificates, and a proxy between. It contacts nothing else, and sends nothing of a directory.
package endpoints

import (
	"fmt"
	"slices"
	"strings"
)

// Endpoint is one host and port.
type Endpoint struct {
	Host string
	Port string // 443, 80 for lists of revoked certificates, 8080 for the agent's status
	Use  string
}

// Cloud is the published list of one cloud. Suffixes are addresses with a star, behind which no
// host is published: nothing can be tried there.
type Cloud struct {
	Name      string
	Endpoints []Endpoint
	Suffixes  []string
}

const (
	useRevoked  = "to verify certificates"
	useRegister = "to register the agent"
	useService  = "to talk to Microsoft Entra ID"
	useStatus   = "to tell the agent's status where 443 is not open (optional)"
)

// Clouds are the published lists. Source: "Prerequisites for Microsoft Entra Cloud Sync", Firewall
// and proxy requirements. mfstauthimages.us is spelled so there.
var Clouds = []Cloud{
	{"public", []Endpoint{
		{"login.windows.net", "443", useRegister}, {"login.microsoftonline.com", "443", useService},
		{"mscrl.microsoft.com", "80", useRevoked}, {"crl.microsoft.com", "80", useRevoked}, {"ocsp.msocsp.com", "80", useRevoked}, {"www.microsoft.com", "80", useRevoked},
	}, []string{"*.msappproxy.net", "*.servicebus.windows.net", "*.microsoftonline.com", "*.microsoft.com", "*.msappproxy.com", "*.windowsazure.com"}},
	{"usgov", []Endpoint{
		{"login.windows.us", "443", useRegister}, {"secure.aadcdn.microsoftonline-p.com", "443", useRegister}, {"enterpriseregistration.windows.net", "443", useRegister},
		{"management.azure.com", "443", useRegister}, {"policykeyservice.dc.ad.msft.net", "443", useRegister}, {"aadcdn.msftauthimages.us", "443", useRegister},
		{"msauthimages.us", "443", useRegister}, {"mfstauthimages.us", "443", useRegister},
		{"mscrl.microsoft.us", "80", useRevoked}, {"crl.microsoft.us", "80", useRevoked}, {"ocsp.msocsp.us", "80", useRevoked}, {"www.microsoft.us", "80", useRevoked},
		{"ctldl.windowsupdate.us", "80", useRegister},
	}, []string{"*.msappproxy.us", "*.servicebus.usgovcloudapi.net", "*.microsoftonline.us", "*.microsoftonline-p.us", "*.msauth.net", "*.msauthimages.net", "*.msecnd.net",
		"*.msftauth.net", "*.msftauthimages.net", "*.phonefactor.net", "*.microsoft.us"}},
}

// With is the cloud with hosts besides that somebody knows to be theirs, each on port 443, and on
// 8080, where agents tell their status when 443 is not open. A host behind none of the published
// suffixes is an error: it says nothing of what agents talk to.
func (c Cloud) With(hosts []string) (Cloud, error) {
	c.Endpoints = slices.Clone(c.Endpoints)
	for _, host := range hosts {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		behind := func(suffix string) bool {
			name, ok := strings.CutSuffix(host, strings.TrimPrefix(suffix, "*"))
			return ok && name != "" && !strings.ContainsAny(name, "/:@ ")
		}
		if !slices.ContainsFunc(c.Suffixes, behind) {
			return c, fmt.Errorf("%q is behind none of %s", host, strings.Join(c.Suffixes, ", "))
		}
		c.Endpoints = append(c.Endpoints, Endpoint{host, "443", useService}, Endpoint{host, "8080", useStatus})
	}
	return c, nil
}

// CloudNamed is the cloud of that name; false where there is none.
func CloudNamed(name string) (Cloud, bool) {
	for _, c := range Clouds {
		if c.Name == name {
			return c, true
		}
	}
	return Cloud{}, false
}
