package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"strings"
	"sync/atomic"
)

// What an object of Bytes holds is like words, so that it compresses as configuration does and not as noise or zeros do.
var words = strings.Fields(`apiVersion kind metadata namespace labels spec replicas selector matchLabels template
	containers image registry example com name env value ports containerPort protocol TCP resources limits cpu memory
	requests livenessProbe httpGet path healthz initialDelaySeconds volumeMounts mountPath readOnly volumes configMap
	true false enabled timeout retries level info format json host database cache queue service endpoint region zone`)

// newFill makes Count ConfigMaps called bench-0 and so on, over all connections at once.
func newFill(given order) (func() (any, error), error) {
	clients := make([]*http.Client, given.Connections)
	for i := range clients {
		client, err := newClient(given)
		if err != nil {
			return nil, err
		}
		clients[i] = client
	}
	return func() (any, error) {
		var next atomic.Int64
		errs := make(chan error, len(clients))
		for _, client := range clients {
			go func(client *http.Client) {
				var buffer bytes.Buffer
				for {
					number := next.Add(1) - 1
					if number >= int64(given.Count) {
						errs <- nil
						return
					}
					if err := do(client, given, http.MethodPost, "", object(given, number), &buffer); err != nil {
						errs <- err
						return
					}
				}
			}(client)
		}
		for range clients {
			if err := <-errs; err != nil {
				return nil, err
			}
		}
		return given.Count, nil
	}, nil
}

func object(given order, number int64) []byte {
	random := rand.New(rand.NewSource(number))
	var text strings.Builder
	for int64(text.Len()) < given.Bytes {
		fmt.Fprintf(&text, "%s: %s-%x\n", words[random.Intn(len(words))], words[random.Intn(len(words))], random.Intn(1<<16))
	}
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]string{"name": fmt.Sprintf("bench-%d", number)},
		"data":     map[string]string{"config": text.String()[:given.Bytes]},
	})
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return body
}
