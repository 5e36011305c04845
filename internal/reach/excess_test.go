package reach

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

func withSID(text string) attr {
	return with("objectSid", string(sddl.MustParseSID(text).Bytes()))
}

// listed is what the excess says, one line an entry.
func listed(x *audit.Excess) string {
	var lines []string
	for _, e := range x.Entries {
		var ids []string
		for _, r := range e.Risks {
			ids = append(ids, r.ID)
		}
		at := e.At
		if e.Unseen {
			at = "unseen"
		}
		lines = append(lines, fmt.Sprintf("%s %s on %d, stands on %d at %q: %s", e.Via, e.Beyond, e.Objects, e.StandsOn, at, strings.Join(ids, " ")))
	}
	return strings.Join(lines, "\n")
}

func TestExcess(t *testing.T) {
	const ou, plain = "organizationalUnit", "O:SYD:"
	for _, c := range []struct {
		name  string
		build func(f *forest)
		want  string
	}{
		{"what the policy asks for is none", func(f *forest) {
			f.add(target, ou, "O:SYD:"+grantMember)
			f.add(mine, "group", plain)
		}, ""},
		{"nor is a part of it on a group", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(OA;;WP;"+memberGUID+";;AGENT)")
		}, ""},
		{"the same above the target is", func(f *forest) {
			f.add(head, "domainDNS", "O:SYD:"+grantMember)
			f.add(target, ou, plain)
			f.add(mine, "group", plain)
		}, `own WP on 0, stands on 1 at "` + head + `": `},
		{"a wider right than asked for", func(f *forest) {
			f.add(target, ou, "O:SYD:(OA;CIIO;RPWP;"+memberGUID+";"+groupGUID+";AGENT)")
			f.add(mine, "group", plain)
		}, `own RP on 1, stands on 1 at "` + target + `": `},
		{"another class than asked for", func(f *forest) {
			f.add(target, ou, "O:SYD:(OA;CIIO;WP;"+memberGUID+";;AGENT)")
			f.add(mine, "group", plain)
			f.add("CN=U,"+target, "user", plain)
		}, `own WP on 1, stands on 1 at "` + target + `": `},
		{"rights of groups count, of strangers do not", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;CI;LC;;;GROUPOFIT)(A;CI;GA;;;STRANGER)")
			f.add(mine, "group", plain)
		}, `group LC on 2, stands on 1 at "` + target + `": `},
		{"rights of everybody are counted apart", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;CI;RPLC;;;WD)")
		}, ""},
		{"unless they are dangerous", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;CI;GA;;;WD)(A;CI;RP;;;AU)")
			f.add(mine, "group", plain)
		}, `well-known CCDCLCSWRPWPDTLOCRSDRCWDWO on 2, stands on 1 at "` + target + `": full-control`},
		{"a deny before it takes it away", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(D;;WD;;;GROUPOFIT)(A;;WD;;;AGENT)")
			f.add("CN=H,"+target, "group", "O:SYD:(A;;WD;;;AGENT)(D;;WD;;;GROUPOFIT)")
			f.add("CN=I,"+target, "group", "O:SYD:(D;;WD;;;GROUPOFIT)(A;;WD;;;AGENT)")
		}, `own WD on 1, stands on 3 at "": write-dacl`},
		{"nothing comes from above a container that blocks it", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;CIIO;WD;;;AGENT)")
			f.add("OU=A,"+target, ou, "O:SYD:P")
			f.add("CN=G,OU=A,"+target, "group", "O:SYD:(A;CIID;WD;;;AGENT)")
		}, `own WD on 1, stands on 0 at "unseen": write-dacl` + "\n" + `own WD on 0, stands on 1 at "` + target + `": write-dacl`},
		{"nothing comes from an entry for another class", func(f *forest) {
			f.add(target, ou, "O:SYD:(OA;CIIO;WD;;"+userGUID+";AGENT)")
			f.add(mine, "group", "O:SYD:(A;CIID;WD;;;AGENT)")
		}, `own WD on 1, stands on 0 at "unseen": write-dacl` + "\n" + `own WD on 0, stands on 1 at "` + target + `": write-dacl`},
		{"nothing comes over two levels from an entry for one", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;CINPIO;LC;;;AGENT)")
			f.add("OU=A,"+target, ou, plain)
			f.add("CN=G,OU=A,"+target, "group", "O:SYD:(A;ID;LC;;;AGENT)")
		}, `own LC on 1, stands on 0 at "unseen": ` + "\n" + `own LC on 1, stands on 1 at "` + target + `": `},
		{"an inherited entry is reported where it stands", func(f *forest) {
			f.add(target, ou, plain)
			f.add("OU=A,"+target, ou, "O:SYD:(A;CI;WO;;;AGENT)")
			f.add("OU=B,OU=A,"+target, ou, plain)
			f.add("CN=G,OU=B,OU=A,"+target, "group", plain)
			f.add(mine, "group", plain)
		}, `own WO on 3, stands on 1 at "OU=A,` + target + `": write-owner`},
		{"the same on two containers is two findings", func(f *forest) {
			f.add(target, ou, plain)
			f.add("OU=A,"+target, ou, "O:SYD:(A;CIIO;LC;;;AGENT)")
			f.add("OU=B,"+target, ou, "O:SYD:(A;CIIO;LC;;;AGENT)")
			f.add("CN=G,OU=A,"+target, "group", plain)
			f.add("CN=G,OU=B,"+target, "group", plain)
			f.add("CN=H,OU=B,"+target, "group", plain)
		}, `own LC on 2, stands on 1 at "OU=B,` + target + `": ` + "\n" + `own LC on 1, stands on 1 at "OU=A,` + target + `": `},
		{"from above the target it is reported there", func(f *forest) {
			f.add(head, "domainDNS", "O:SYD:(A;CIIO;WD;;;AGENT)")
			f.add(target, ou, plain)
			f.add(mine, "group", plain)
		}, `own WD on 2, stands on 1 at "` + head + `": write-dacl`},
		{"where it stands is not to be seen", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(A;ID;WD;;;AGENT)")
		}, `own WD on 1, stands on 0 at "unseen": write-dacl`},
		{"explicit entries on leaves are one finding", func(f *forest) {
			f.add(target, ou, plain)
			for i := range 5 {
				f.add(fmt.Sprintf("CN=%d,%s", i, target), "user", "O:SYD:(OA;;CR;"+passwordGUID+";;AGENT)")
			}
		}, `own CR on 5, stands on 5 at "": reset-password`},
		{"a condition may hold", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", `O:SYD:(XA;;WD;;;AGENT;(Member_of {SID(BA)}))`)
		}, `own WD on 1, stands on 1 at "` + mine + `": write-dacl`},
		{"the owner may modify permissions", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:AGENTD:")
		}, `own RCWD on 1, stands on 1 at "": write-dacl`},
		{"unless entries say what the owner may", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:AGENTD:(A;;RC;;;OW)")
		}, `own RC on 1, stands on 1 at "` + mine + `": `},
		{"what is for owners counts where it owns", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(A;;WD;;;OW)")
		}, ""},
		{"what is for SELF counts on the account and on its groups", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(A;;GA;;;PS)", withSID(its))
			f.add("CN=A,"+target, "gmsa", "O:SYD:(A;;GA;;;PS)", withSID(agent))
			f.add("CN=H,"+target, "group", "O:SYD:(A;;GA;;;PS)", withSID(stranger1))
			f.add("CN=I,"+target, "group", "O:SYD:(A;;GA;;;PS)")
		}, `own CCDCLCSWRPWPDTLOCRSDRCWDWO on 1, stands on 1 at "CN=A,` + target + `": full-control` + "\n" + `group CCDCLCSWRPWPDTLOCRSDRCWDWO on 1, stands on 1 at "` + mine + `": full-control`},
		{"a deny for SELF takes it away", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(D;;WD;;;PS)(A;;WD;;;AGENT)", withSID(its))
			f.add("CN=H,"+target, "group", "O:SYD:(D;;WD;;;PS)(A;;WD;;;AGENT)", withSID(stranger1))
		}, `own WD on 1, stands on 2 at "": write-dacl`},
		{"what everybody has on itself is none", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;CI;RP;;;PS)")
			f.add(mine, "group", "O:SYD:(A;;RPLCLORC;;;PS)", withSID(its))
			f.add("CN=A,"+target, "gmsa", plain, withSID(agent))
		}, ""},
		{"unless it is dangerous", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;CIIO;GA;;;PS)")
			f.add(mine, "group", plain, withSID(stranger1))
			f.add("CN=A,"+target, "gmsa", plain, withSID(agent))
		}, `well-known CCDCLCSWRPWPDTLOCRSDRCWDWO on 1, stands on 1 at "` + target + `": full-control`},
		{"every account may say who acts towards itself", func(f *forest) {
			f.add(target, ou, "O:SYD:(OA;CIIO;WP;3f78c3e5-f79a-46bd-a0b8-9d18116ddc79;;PS)")
			f.add("CN=A,"+target, "gmsa", plain, withSID(agent))
		}, ""},
		{"this one alone may", func(f *forest) {
			f.add(target, ou, plain)
			f.add("CN=A,"+target, "gmsa", "O:SYD:(OA;;WP;3f78c3e5-f79a-46bd-a0b8-9d18116ddc79;;PS)", withSID(agent))
		}, `own WP on 1, stands on 1 at "CN=A,` + target + `": write-allowed-to-act`},
		{"what is for the group of an object comes from above", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;CIIO;WD;;;CG)")
			f.add(mine, "group", "O:SYG:GROUPOFITD:")
		}, `group WD on 1, stands on 1 at "` + target + `": write-dacl`},
		{"a password below, of an entry that is for the container, too", func(f *forest) {
			f.add(target, ou, "O:SYD:(OA;CI;CR;"+passwordGUID+";;AGENT)")
		}, `own CR on 1, stands on 1 at "` + target + `": reset-password`},
		{"all extended rights below", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;CI;CR;;;AGENT)")
		}, `own CR on 1, stands on 1 at "` + target + `": reset-password`},
		{"all properties below", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;CI;WP;;;AGENT)")
		}, `own WP on 1, stands on 1 at "` + target + `": write-key-credential write-allowed-to-act write-gmsa-membership`},
		{"what is only inherited from, by nothing yet", func(f *forest) {
			f.add(target, ou, "O:SYD:(OA;CIIO;CR;"+passwordGUID+";"+userGUID+";AGENT)")
		}, `own CR on 0, stands on 1 at "` + target + `": reset-password`},

		{"both replication rights", func(f *forest) {
			f.add(head, "domainDNS", "O:SYD:(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;AGENT)(OA;;CR;1131f6ad-9c07-11d1-f79f-00c04fc2dcd2;;GROUPOFIT)")
			f.add(target, ou, plain)
		}, `own CR on 1, stands on 1 at "` + head + `": replicate-secrets` + "\n" + `group CR on 1, stands on 1 at "` + head + `": replicate-secrets`},
		{"one replication right alone", func(f *forest) {
			f.add(head, "domainDNS", "O:SYD:(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;AGENT)")
			f.add(target, ou, plain)
		}, `own CR on 1, stands on 1 at "` + head + `": `},
		{"all extended rights are both", func(f *forest) {
			f.add(head, "domainDNS", "O:SYD:(A;;CR;;;AGENT)")
			f.add(target, ou, plain)
		}, `own CR on 1, stands on 1 at "` + head + `": replicate-secrets`},
		{"members of a protected group", func(f *forest) {
			f.add(holderDN, "container", "O:SYD:P(A;;WP;;;GROUPOFIT)")
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:P(A;;WP;;;GROUPOFIT)", with("adminCount", "1"))
		}, `group WP on 1, stands on 1 at "` + mine + `": write-protected-group`},
		{"members of a group that SDProp should protect", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(OA;;SW;"+memberGUID+";;AGENT)", withSID(domainSID+"-512"))
			f.add("CN=H,"+target, "group", "O:SYD:(OA;;SW;"+memberGUID+";;AGENT)", withSID(stranger1))
		}, `own SW on 2, stands on 2 at "": write-protected-group`},
		{"a group of that number in another domain", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(OA;;SW;"+memberGUID+";;AGENT)", withSID("S-1-5-21-1-2-3-512"))
		}, `own SW on 1, stands on 1 at "` + mine + `": `},
		{"members of a group that was marked, and whose DACL is protected", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:P(A;;WP;;;AGENT)", withSID(stranger1), with("adminCount", "1"))
		}, `own WP on 1, stands on 1 at "` + mine + `": write-protected-group`},
		{"members of one that is just marked, and of one that just blocks inheritance", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(A;;WP;;;AGENT)", withSID(stranger1), with("adminCount", "1"))
			f.add("CN=I,"+target, "group", "O:SYD:P(A;;WP;;;AGENT)", withSID(stranger1))
		}, `own WP on 2, stands on 2 at "": `},
		{"members of those who write keys", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(OA;;SW;"+memberGUID+";;AGENT)", withSID(domainSID+"-526"))
		}, `own SW on 1, stands on 1 at "` + mine + `": write-protected-group`},
		{"members of those who write keys in the forest", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(OA;;SW;"+memberGUID+";;AGENT)", withSID(domainSID+"-527"))
		}, `own SW on 1, stands on 1 at "` + mine + `": write-protected-group`},
		{"who may act towards a computer", func(f *forest) {
			f.add(target, ou, plain)
			f.add("CN=A,"+target, "computer", "O:SYD:(OA;;WP;3f78c3e5-f79a-46bd-a0b8-9d18116ddc79;;AGENT)")
		}, `own WP on 1, stands on 1 at "CN=A,` + target + `": write-allowed-to-act`},
		{"the same with its property set", func(f *forest) {
			f.add(target, ou, plain)
			f.add("CN=A,"+target, "user", "O:SYD:(OA;;WP;4c164200-20c0-11d0-a768-00aa006e0529;;AGENT)")
		}, `own WP on 1, stands on 1 at "CN=A,` + target + `": write-allowed-to-act`},
		{"all properties of a computer", func(f *forest) {
			f.add(target, ou, plain)
			f.add("CN=A,"+target, "computer", "O:SYD:(A;;WP;;;AGENT)")
		}, `own WP on 1, stands on 1 at "CN=A,` + target + `": write-key-credential write-allowed-to-act`},
		{"the password of a protected account", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "user", "O:SYD:(OA;;CR;"+passwordGUID+";;AGENT)", withSID(domainSID+"-500"))
		}, `own CR on 1, stands on 1 at "` + mine + `": control-protected-object reset-password`},
		{"full control of an object", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;;GA;;;AGENT)")
		}, `own CCDCLCSWRPWPDTLOCRSDRCWDWO on 1, stands on 1 at "` + target + `": full-control`},
		{"full control of a head", func(f *forest) {
			f.add("CN=Configuration,"+head, "container", "O:SYD:P(A;;GA;;;AGENT)", with("objectClass", "configuration"))
			f.add(target, ou, plain)
		}, `own CCDCLCSWRPWPDTLOCRSDRCWDWO on 1, stands on 1 at "CN=Configuration,` + head + `": replicate-secrets control-protected-object full-control`},
		{"objects of every class", func(f *forest) {
			f.add(target, ou, "O:SYD:(A;;CC;;;AGENT)")
		}, `own CC on 1, stands on 1 at "` + target + `": create-any-class`},
		{"objects of one class", func(f *forest) {
			f.add(target, ou, "O:SYD:(OA;;CC;"+userGUID+";;AGENT)")
		}, `own CC on 1, stands on 1 at "` + target + `": `},
		{"who may read the password of a gMSA", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "gmsa", "O:SYD:(OA;;WP;888eedd6-ce04-df40-b462-b8a50e41ba38;;AGENT)")
		}, `own WP on 1, stands on 1 at "` + mine + `": write-gmsa-membership`},
		{"the keys of a user", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "user", "O:SYD:(OA;;WP;5b47d60f-6090-40b2-9f37-2a4de88f3063;;AGENT)")
		}, `own WP on 1, stands on 1 at "` + mine + `": write-key-credential`},
		{"all properties of a contact, which has no keys", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "contact", "O:SYD:(A;;WP;;;AGENT)")
		}, `own WP on 1, stands on 1 at "` + mine + `": `},
		{"a password of a group is none", func(f *forest) {
			f.add(target, ou, plain)
			f.add(mine, "group", "O:SYD:(OA;;CR;"+passwordGUID+";;AGENT)")
		}, `own CR on 1, stands on 1 at "` + mine + `": `},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, shuffle := range []bool{false, true} {
				f := newForest(t)
				f.shuffle = shuffle
				c.build(f)
				r := sweepOf(t, f, rules(t, writeMember), Options{Excess: true, Examples: 2})
				if got := listed(r.Excess); got != c.want {
					t.Errorf("shuffled %v: got\n%s\nwant\n%s", shuffle, got, c.want)
				}
				if clean := r.ExcessSummary.Entries == 0; clean != (c.want == "") || r.Excess.Unknown != 0 {
					t.Errorf("%+v, %d unknown", r.ExcessSummary, r.Excess.Unknown)
				}
				for _, e := range r.Excess.Entries {
					if e.Owner == (e.SDDL != "") || e.Words == "" {
						t.Errorf("%+v", e)
					}
				}
			}
		})
	}
}

// What a policy asks for on each target is no excess on a target below another.
func TestExcessOfNestedTargets(t *testing.T) {
	const rule = "  - {id: x, rights: [list-contents], scope: this-object, source: test}\n"
	for _, c := range []struct {
		targets []string
		want    string
	}{
		{[]string{target}, `own LC on 1, stands on 1 at "OU=A,` + target + `": `},
		{[]string{target, "OU=A," + target}, ""},
	} {
		f := newForest(t)
		f.add(target, "organizationalUnit", "O:SYD:(A;;LC;;;AGENT)")
		f.add("OU=A,"+target, "organizationalUnit", "O:SYD:P(A;;LC;;;AGENT)")
		r := sweepOf(t, f, rules(t, rule), Options{Excess: true, Examples: 3}, c.targets...)
		// On both the same entry stands; on the outer one it is asked for.
		if got := listed(r.Excess); got != c.want {
			t.Errorf("%q: got\n%s\nwant\n%s", c.targets, got, c.want)
		}
	}
}

// Below another target by name only, a naming context is swept for itself.
func TestExcessOfTwoNamingContexts(t *testing.T) {
	const configuration = "CN=Configuration," + head
	for _, targets := range [][]string{{head, configuration}, {configuration, head}} {
		f := newForest(t)
		f.add(head, "domainDNS", "O:SYD:(A;CIIO;LC;;;AGENT)")
		f.add("CN=A,"+configuration, "container", "O:SYD:(A;;WD;;;AGENT)(A;CIID;LC;;;AGENT)")
		r := sweepOf(t, f, rules(t, writeMember), Options{Excess: true, Reach: true, Examples: 3}, targets...)
		want := `own WD on 1, stands on 1 at "CN=A,` + configuration + `": write-dacl` + "\n" +
			`own LC on 1, stands on 0 at "unseen": ` + "\n" +
			`own LC on 0, stands on 1 at "` + head + `": `
		if got := listed(r.Excess); got != want {
			t.Errorf("%q: got\n%s\nwant\n%s", targets, got, want)
		}
	}
}

func TestEverybodyIsListedWhenAskedFor(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:(A;CI;RPWD;;;WD)(A;CI;LC;;;AU)")
	f.add(mine, "group", "O:SYD:")
	for _, all := range []bool{false, true} {
		r := sweepOf(t, f, rules(t, writeMember), Options{Excess: true, Everybody: all})
		want := `well-known RPWD on 2, stands on 1 at "` + target + `": write-dacl`
		if all {
			want += "\n" + `well-known LC on 2, stands on 1 at "` + target + `": `
		}
		if got := listed(r.Excess); !strings.HasPrefix(got, want) || got != want && !all {
			t.Errorf("all %v: got\n%s\nwant\n%s", all, got, want)
		}
		if e := r.Excess.Everybody; e == nil || e.Risks != 1 || r.ExcessSummary.Entries != 1 || r.ExcessSummary.Risks != 1 {
			t.Errorf("all %v: %+v %+v", all, e, r.ExcessSummary)
		}
	}
}

func TestWhatCannotBeSeenIsUnknownExcess(t *testing.T) {
	f := newForest(t)
	f.add(target, "organizationalUnit", "O:SYD:")
	f.add(mine, "group", "O:SYD:", with("nTSecurityDescriptor", ""))
	f.add("CN=H,"+target, "group", "O:SYD:(A;;RP;;;SY)", withOpaqueEntry)
	f.unseen[directory.DNKey("CN=Configuration,"+head)] = true
	r := sweepOf(t, f, rules(t, writeMember), Options{Excess: true})
	if r.Excess.Unknown != 3 || r.Clean() {
		t.Errorf("%d unknown, clean %v", r.Excess.Unknown, r.Clean())
	}
	hidden := slices.DeleteFunc(slices.Clone(r.Excess.Heads), func(h audit.Head) bool { return h.Unreadable == "" })
	if len(hidden) != 1 || !strings.HasPrefix(hidden[0].DN, "CN=Configuration") {
		t.Errorf("%+v", hidden)
	}
}
