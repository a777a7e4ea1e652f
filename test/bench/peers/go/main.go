// The load on a coordinator of REST-AT (two-phase commit over HTTP, as Narayana serves it), and the two participants of each of its
// transactions: closed loops that begin a transaction, enlist two participants, and ask for its commit. Prints what it measured as JSON.
//
// The participants vote yes and write nothing.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	coordinator  = flag.String("coordinator", "", "URL of the transaction manager")
	concurrency  = flag.Int("concurrency", 1, "transactions under way")
	participants = flag.Int("participants", 2, "of each transaction")
	warmUp       = flag.Duration("warm-up", 500*time.Millisecond, "before the measurement")
	duration     = flag.Duration("duration", 2*time.Second, "of the measurement")
)

// client keeps as many connections open as there are loops.
var client *http.Client

func main() {
	flag.Parse()
	client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *concurrency}, Timeout: time.Minute}
	addresses := make([]string, *participants)
	var prepared, committed atomic.Int64
	for i := range addresses {
		addresses[i] = serveParticipant(&prepared, &committed)
	}

	begin := time.Now().Add(*warmUp)
	end := begin.Add(*duration)
	results := make([]loopResult, *concurrency)
	var loops sync.WaitGroup
	for i := range results {
		loops.Add(1)
		go func() {
			defer loops.Done()
			results[i].run(i, addresses, begin, end)
		}()
	}
	loops.Wait()

	answer := struct {
		Answered   []answered `json:"answered"`
		Failed     int        `json:"failed"`
		CarriedOut int64      `json:"carriedOut"`
	}{Answered: []answered{}}
	for _, result := range results {
		answer.CarriedOut += result.committed
		answer.Failed += result.failed
		answer.Answered = append(answer.Answered, result.answered...)
		if result.err != nil {
			fmt.Fprintln(os.Stderr, result.err)
		}
	}
	// A commit is answered when every participant has committed: these are all.
	if want := answer.CarriedOut * int64(*participants); prepared.Load() < want || committed.Load() < want {
		fmt.Fprintf(os.Stderr, "%d commits were answered, but participants prepared %d times and committed %d times\n", answer.CarriedOut, prepared.Load(), committed.Load())
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveParticipant answers for the work of every transaction at one address, which it returns.
func serveParticipant(prepared, committed *atomic.Int64) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, _ := io.ReadAll(r.Body)
		switch string(asked) {
		case "txstatus=TransactionPrepared":
			prepared.Add(1)
		case "txstatus=TransactionCommitted":
			committed.Add(1)
		}
		w.Header().Set("Content-Type", "application/txstatus")
		w.Write(asked)
	}))
	return "http://" + listener.Addr().String()
}

type answered struct {
	StartedMs float64 `json:"startedMs"`
	TookMs    float64 `json:"tookMs"`
}

type loopResult struct {
	// Within the measurement.
	answered  []answered
	failed    int
	committed int64
	// The first one.
	err error
}

func (result *loopResult) run(loop int, addresses []string, begin, end time.Time) {
	for n := 0; ; n++ {
		started := time.Now()
		if started.After(end) {
			return
		}
		err := transact(fmt.Sprintf("%d-%d", loop, n), addresses)
		took := time.Since(started)
		if err == nil {
			result.committed++
		} else if result.err == nil {
			result.err = err
		}
		switch now := started.Add(took); {
		case now.Before(begin), now.After(end):
		case err != nil:
			result.failed++
		default:
			result.answered = append(result.answered, answered{StartedMs: ms(started.Sub(begin)), TookMs: ms(took)})
		}
	}
}

func ms(duration time.Duration) float64 { return float64(duration.Microseconds()) / 1000 }

var link = regexp.MustCompile(`<([^>]*)>[^,]*rel="?([a-z-]+)"?`)

// transact makes one transaction: begun, joined by each participant, committed.
func transact(name string, addresses []string) error {
	begun, _, err := ask("POST", *coordinator, "", "")
	if err != nil {
		return err
	}
	links := map[string]string{}
	for _, header := range begun.Values("Link") {
		for _, found := range link.FindAllStringSubmatch(header, -1) {
			links[found[2]] = found[1]
		}
	}
	for _, address := range addresses {
		work := address + "/" + name
		header := fmt.Sprintf(`<%s>; rel="participant",<%s>; rel="terminator"`, work, work)
		if _, _, err := ask("POST", links["durable-participant"], header, ""); err != nil {
			return err
		}
	}
	_, outcome, err := ask("PUT", links["terminator"], "", "txstatus=TransactionCommitted")
	if err == nil && strings.TrimSpace(outcome) != "txstatus=TransactionCommitted" {
		err = fmt.Errorf("the outcome is %q", outcome)
	}
	return err
}

func ask(method, url, link, body string) (http.Header, string, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	contentType := "application/x-www-form-urlencoded"
	if method == "PUT" {
		contentType = "application/txstatus"
	}
	request.Header.Set("Content-Type", contentType)
	if link != "" {
		request.Header.Set("Link", link)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s %s", method, url, response.Status, text)
	}
	return response.Header, string(text), err
}
