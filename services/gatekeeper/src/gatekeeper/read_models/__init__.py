"""What is asked of gatekeeper, one question a file: `attempts` who asked at this gate · `roster` who was or is on this site."""
