//! AWS, by way of the AWS CLI: the user's profiles, with single sign-on and MFA, are its business.
