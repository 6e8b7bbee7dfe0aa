// Checks a receipt with somebody else's code: torchwood's VerifyProof.
//
//	check POLICY RECORD-HASH-HEX RECEIPT
//
// Exit code 0: accepted; 1: refused; 2: usage.
package main

import (
	"encoding/hex"
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

func check(policyPath, hashHex, receiptPath string) error {
	policyText, err := os.ReadFile(policyPath)
	if err != nil {
		return err
	}
	policy, err := torchwood.ParsePolicy(policyText)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	var hash tlog.Hash
	if raw, err := hex.DecodeString(hashHex); err != nil || copy(hash[:], raw) != len(hash) {
		return fmt.Errorf("not a hash: %q", hashHex)
	}
	receipt, err := os.ReadFile(receiptPath)
	if err != nil {
		return err
	}
	return torchwood.VerifyProof(policy, hash, receipt)
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: check POLICY RECORD-HASH-HEX RECEIPT")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
