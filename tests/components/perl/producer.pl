# Makes a key and a token for each algorithm and exports the public key as CryptX does.
#
#   producer.pl ISSUER AUDIENCE ALGORITHM...
#
# One line of JSON with name and version, then one for each algorithm: a token and a JWK, or an error.

use strict;
use warnings;

use Crypt::JWT qw(encode_jwt);
use Crypt::PK::ECC;
use Crypt::PK::Ed25519;
use Crypt::PK::RSA;
use JSON;

my %curves = (ES256 => 'secp256r1', ES384 => 'secp384r1', ES512 => 'secp521r1');

sub produce {
    my ($issuer, $audience, $alg) = @_;
    my $key;
    if ($alg =~ /^[RP]S/) { $key = Crypt::PK::RSA->new; $key->generate_key(256); }
    elsif ($curves{$alg}) { $key = Crypt::PK::ECC->new; $key->generate_key($curves{$alg}); }
    else                  { $key = Crypt::PK::Ed25519->new; $key->generate_key; }
    my $now    = time;
    my $claims = { iss => $issuer, aud => $audience, sub => 'alice', iat => $now, exp => $now + 600 };
    my $token  = encode_jwt(payload => $claims, alg => $alg, key => $key);
    return { token => $token, jwk => $key->export_key_jwk('public', 1) };
}

my ($issuer, $audience, @algorithms) = @ARGV;
my $json = JSON->new->allow_nonref;
print $json->encode("Perl Crypt::JWT $Crypt::JWT::VERSION"), "\n";
for my $alg (@algorithms) {
    my $made = eval { produce($issuer, $audience, $alg) } || { error => "$@" };
    print $json->encode({ alg => $alg, %$made }), "\n";
}
