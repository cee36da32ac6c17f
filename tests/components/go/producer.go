// Makes a key and a token for each algorithm with golang-jwt, and exports the public key with go-jose,
// as golang-jwt knows no JWK.
//
//	producer ISSUER AUDIENCE ALGORITHM...
//
// One line of JSON with the name, then one for each algorithm: a token and a JWK, or an error.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/golang-jwt/jwt"
	jose "gopkg.in/square/go-jose.v2"
)

type made struct {
	Alg   string           `json:"alg"`
	Token string           `json:"token,omitempty"`
	JWK   *jose.JSONWebKey `json:"jwk,omitempty"`
	Error string           `json:"error,omitempty"`
}

func generate(alg string) (crypto.Signer, error) {
	curves := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}
	switch curve := curves[alg]; {
	case curve != nil:
		return ecdsa.GenerateKey(curve, rand.Reader)
	case alg[0] == 'R' || alg[0] == 'P':
		return rsa.GenerateKey(rand.Reader, 2048)
	default:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
}

func produce(issuer, audience, alg string) (string, *jose.JSONWebKey, error) {
	method := jwt.GetSigningMethod(alg)
	if method == nil {
		return "", nil, errors.New("GetSigningMethod: nil")
	}
	key, err := generate(alg)
	if err != nil {
		return "", nil, err
	}
	now := time.Now().Unix()
	token := jwt.NewWithClaims(method, jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "alice", "iat": now, "exp": now + 600,
	})
	token.Header["kid"] = "go-" + alg
	signed, err := token.SignedString(key)
	return signed, &jose.JSONWebKey{Key: key.Public(), KeyID: "go-" + alg, Algorithm: alg, Use: "sig"}, err
}

func main() {
	out := json.NewEncoder(os.Stdout)
	out.Encode("Go golang-jwt")
	for _, alg := range os.Args[3:] {
		token, key, err := produce(os.Args[1], os.Args[2], alg)
		if err != nil {
			out.Encode(made{Alg: alg, Error: err.Error()})
			continue
		}
		out.Encode(made{Alg: alg, Token: token, JWK: key})
	}
}
