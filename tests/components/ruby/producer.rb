# Makes a key and a token for each algorithm and exports the public key as ruby-jwt does.
#
#   producer.rb ISSUER AUDIENCE ALGORITHM...
#
# One line of JSON with name and version, then one for each algorithm: a token and a JWK, or an error.

require 'json'
require 'jwt'

CURVES = { 'ES256' => 'prime256v1', 'ES384' => 'secp384r1', 'ES512' => 'secp521r1' }.freeze

def generate(alg)
  return OpenSSL::PKey::EC.generate(CURVES[alg]) if CURVES.key?(alg)
  return OpenSSL::PKey::RSA.generate(2048) if alg.match?(/\A[RP]S/)

  OpenSSL::PKey.generate_key(alg.start_with?('Ed') ? 'ED25519' : alg)
end

issuer, audience, *algorithms = ARGV
now = Time.now.to_i
claims = { iss: issuer, aud: audience, sub: 'alice', iat: now, exp: now + 600 }
puts JSON.generate("Ruby jwt #{JWT.gem_version}")
algorithms.each do |alg|
  made = begin
    key = generate(alg)
    jwk = JWT::JWK.new(key)
    { token: JWT.encode(claims, key, alg, { kid: jwk.kid }), jwk: jwk.export }
  rescue StandardError => e
    { error: "#{e.class}: #{e.message}" }
  end
  puts JSON.generate({ alg: alg }.merge(made))
end
