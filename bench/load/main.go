// Load is the client of the benchmarks. It is a program of its own, and not Python, so that the proxies and not the
// client set the pace.
//
// The first line on standard input is the order as JSON: there and not among the arguments, because it holds a token and
// a password. When everything is connected it prints "ready". Every further line asks for one measurement, which is
// answered with one line of JSON; the end of standard input ends it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
)

type order struct {
	Work        string  `json:"work"`
	URL         string  `json:"url"`   // of the API server, or of one object or collection of it
	Proxy       string  `json:"proxy"` // "" for none; may hold user and password
	CA          string  `json:"ca"`    // PEM
	Token       string  `json:"token"`
	HTTP2       bool    `json:"http2"`
	Connections int     `json:"connections"`
	Seconds     float64 `json:"seconds"`
	Count       int     `json:"count"` // of objects or requests
	Bytes       int64   `json:"bytes"`
	Rate        float64 `json:"rate"`      // events per second
	DirectCA    string  `json:"direct_ca"` // PEM, for what does not go through the proxy
}

// A work connects, and then measures as often as it is asked to.
var works = map[string]func(order) (measure func() (any, error), err error){
	"get":   newGets,
	"fill":  newFill,
	"list":  newList,
	"patch": newPatches,
	"watch": newWatch,
}

func main() {
	log.SetFlags(0)
	lines := bufio.NewReader(os.Stdin)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		log.Fatal(err)
	}
	var given order
	if err := json.Unmarshal(line, &given); err != nil {
		log.Fatal(err)
	}
	connect, known := works[given.Work]
	if !known {
		log.Fatalf("no work is called %q", given.Work)
	}
	measure, err := connect(given)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	for {
		if _, err := lines.ReadBytes('\n'); err != nil {
			return
		}
		found, err := measure()
		if err != nil {
			log.Fatal(err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
			log.Fatal(err)
		}
	}
}
